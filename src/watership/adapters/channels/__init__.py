"""Ways to people, one module each: Slack, mail, PagerDuty, Statuspage, Standard Webhooks, Jira, SMS and calls."""
