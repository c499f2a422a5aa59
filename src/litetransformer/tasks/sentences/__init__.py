"""Generated German-English sentence pairs: the text that the quickstart learns to translate.

`grammar` joins the tables of `words` into clauses, `templates` are sentences with slots, `fillers` draws what
goes into either, and `generate` yields pairs that no two splits share. Only drawing needs the extra
``quickstart``, not the import.
"""

from litetransformer.tasks.sentences.generate import (
    CLAUSE_PATTERNS,
    TEMPLATE_PATTERNS,
    Split,
    generate_pairs,
    split_of,
)

__all__ = ["CLAUSE_PATTERNS", "TEMPLATE_PATTERNS", "Split", "generate_pairs", "split_of"]
