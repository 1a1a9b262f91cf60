"""Receivers of messages for tests: real servers on loopback that check what they get as the real ones would.

    with SlackReceiver() as slack, PagerDutyReceiver(key="0" * 32) as pager:
        ...  # send to slack.url and pager.url
        slack.down()  # refused; or down(503), or down(429, retry_after=30)
        slack.up()
    slack.received[0].body["text"], pager.incidents

What they accept stands in `received`, what they refuse in `refused`, with the reason. They run in threads of their own.
"""

from watership.testing.receivers.jira import JiraReceiver
from watership.testing.receivers.pagerduty import PagerDutyReceiver
from watership.testing.receivers.receiver import Receiver, Request
from watership.testing.receivers.slack import SlackReceiver
from watership.testing.receivers.smtp import Mail, SmtpReceiver
from watership.testing.receivers.statuspage import StatuspageReceiver
from watership.testing.receivers.webhook import WebhookReceiver

__all__ = [
    "JiraReceiver",
    "Mail",
    "PagerDutyReceiver",
    "Receiver",
    "Request",
    "SlackReceiver",
    "SmtpReceiver",
    "StatuspageReceiver",
    "WebhookReceiver",
]
