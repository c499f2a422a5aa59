"""The table of prices and intensities is sourced and dated, and what a user's file says goes before it."""

import json

import pytest

from litetransformer.core.devices import CPU_CORE, KNOWN, known_device
from litetransformer.core.errors import InputError
from litetransformer.inspect.prices import BUILT_IN, read_prices
from litetransformer.tasks.bill import bill
from litetransformer.train.cost import Ledger, Segment


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "own.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def segment(**changes):
    settings = {
        "started": "2026-11-24T12:00:00+00:00",
        "device": "NVIDIA H100 80GB HBM3",
        "kind": "gpu",
        "count": 2,
        "seconds": 1800.0,
        "kwh": 0.4,
        "energy_source": "nvml",
    }
    return Segment(**(settings | changes))


def test_every_figure_has_its_source_and_date():
    for entry in (*BUILT_IN.devices, *BUILT_IN.regions, BUILT_IN.overhead):
        assert entry.source
        assert entry.date[:3] == "202" or entry.date == "2018"


def test_every_priced_gpu_is_one_whose_name_is_known():
    names = {device.name for device in KNOWN}
    assert {price.device for price in BUILT_IN.devices} - names == {CPU_CORE}


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H200", "H200 SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 PCIe 40GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80GB"),
        ("Tesla V100-SXM2-16GB", "V100 SXM"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 3090 Ti", "RTX 3090 Ti"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", None),
        ("NVIDIA GeForce RTX 4080 SUPER", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA A10G", None),
        ("", None),
    ],
)
def test_a_device_is_known_by_its_driver_s_name_and_never_taken_for_another(driver, name):
    found = known_device(driver)
    assert (found.name if found else None) == name


def test_every_known_device_is_found_by_its_own_name():
    for device in KNOWN:
        name = " ".join(device.words)
        assert known_device(name) == device


def test_a_run_s_bill_is_hours_times_price_and_energy_times_overhead_times_intensity():
    found = bill(Ledger(segments=(segment(), segment(seconds=5400.0, kwh=1.2))), BUILT_IN)
    assert (found.seconds, found.device_hours) == (7200, 4.0)
    assert found.kwh == pytest.approx(1.6)
    assert found.usd == pytest.approx(4 * 3.99)
    assert found.kg_co2 == pytest.approx(1.6 * 1.54 * 0.445)
    assert found.lb_co2 == pytest.approx(found.kg_co2 * 2.20462, rel=1e-5)


def test_strubell_s_own_figures_give_strubell_s_own_pounds():
    ledger = Ledger(segments=(segment(count=8, seconds=12 * 3600.0, kwh=12 * 1.41578),))
    assert bill(ledger, BUILT_IN, region="strubell-2019", pue=1.58).lb_co2 == pytest.approx(25.6, abs=0.05)


def test_what_is_given_goes_before_the_table():
    found = bill(Ledger(segments=(segment(),)), BUILT_IN, price=10, intensity=1, pue=2)
    assert (found.usd, found.kg_co2) == (10, 0.8)


def test_watts_are_taken_where_nothing_was_measured_and_only_there():
    stated = segment(kwh=None, energy_source="stated power", note="not measured")
    assert bill(Ledger(segments=(segment(), stated)), BUILT_IN).kwh is None
    assert bill(Ledger(segments=(segment(), stated)), BUILT_IN, watts=500).kwh == pytest.approx(0.4 + 0.5)


def test_one_unknown_price_leaves_the_sum_unknown():
    found = bill(Ledger(segments=(segment(), segment(device="Nova 9"))), BUILT_IN)
    assert [item.usd for item in found.items] == [pytest.approx(3.99), None]
    assert (found.usd, found.kwh) == (None, 0.8)


def test_cores_are_priced_as_cores():
    found = bill(Ledger(segments=(segment(device="AMD EPYC", kind="cpu", count=4),)), BUILT_IN)
    assert found.usd == pytest.approx(2 * 0.05)


def test_a_file_goes_before_the_table_and_leaves_the_rest(file):
    own = {
        "devices": [{"device": "NVIDIA H100 80GB HBM3", "usd_per_hour": 1}],
        "regions": [{"region": "Here", "kg_per_kwh": 0.05, "source": "the meter", "date": "2026"}],
        "region": "here",
    }
    prices = read_prices(file(own))
    assert prices.price("H100 SXM").usd_per_hour == 1
    assert prices.price("nvidia a100-sxm4-80gb").usd_per_hour == 2.79
    assert (prices.intensity().kg_per_kwh, prices.intensity("EU").kg_per_kwh) == (0.05, 0.21)
    assert prices.overhead == BUILT_IN.overhead
    assert read_prices(file({"overhead": {"pue": 1}})).overhead.pue == 1
    assert read_prices(None) == BUILT_IN


@pytest.mark.parametrize(
    ("content", "field", "what"),
    [
        ({"devices": [{"device": "H100 SXM"}]}, "devices.0.usd_per_hour", "missing"),
        ({"devices": [{"device": "T4", "usd_per_hour": "4"}]}, "devices.0.usd_per_hour", "is not a number"),
        ({"devices": [{"device": "T4", "usd_per_hour": -4}]}, "devices.0", "usd_per_hour is -4, below 0"),
        ({"regions": [{"region": "x", "kg_per_kwh": True}]}, "regions.0.kg_per_kwh", "is not a number"),
        ({"regions": [{"region": "x", "kg_per_kwh": -1}]}, "regions.0", "kg_per_kwh is -1, below 0"),
        ({"overhead": {"pue": 0.9}}, "overhead", "pue is 0.9, below 1"),
        ({"overheads": {}}, "overheads", "no such field; did you mean 'overhead'"),
        ({"region": "wrold"}, "region", "no intensity is known of 'wrold'; did you mean 'world'?"),
        ({"devices": {}}, "devices", "is not a list"),
        ([], None, "is no Prices"),
        ('{"region": "eu", "region": "us"}', None, "stands twice"),
        ('{"devices": [{"device": "T4", "usd_per_hour": NaN}]}', None, "NaN is not a JSON number"),
        ("{", None, "not JSON"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_field(file, content, field, what):
    path = file(content)
    with pytest.raises(InputError) as caught:
        read_prices(path)
    assert (caught.value.path, caught.value.field) == (str(path), field)
    assert what in str(caught.value)


def test_a_ledger_s_segment_holds_to_its_rules():
    for wrong, what in (({"count": 0}, "0 devices"), ({"seconds": -1.0}, "seconds"), ({"kwh": -1.0}, "kwh")):
        with pytest.raises(ValueError, match=what):
            segment(**wrong)
