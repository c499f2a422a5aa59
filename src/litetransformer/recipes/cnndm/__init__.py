"""CNN/DailyMail: news articles and their highlights, summarized as in the paper."""
