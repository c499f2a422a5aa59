"""What everything stands on and nothing but the standard library is needed for: errors, files, specs."""
