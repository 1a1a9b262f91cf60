"""A runbook that people wrote in Markdown is read into data, so that nobody types 357 points again."""
