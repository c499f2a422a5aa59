"""CNN/DailyMail, a subset of 39 thousand articles of 287 thousand: not the paper's set, and no row of it."""
