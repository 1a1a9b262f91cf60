"""Start a run over AMQP and wait for its result: `python examples/amqp_client.py amqp://… hello '{"name": "Ada"}'`."""

import sys
import uuid

import pika

if len(sys.argv) not in (4, 5):
    print(
        "usage: amqp_client.py URL AGENT JSON [MESSAGE_ID]    the same id again is the same run",
        file=sys.stderr,
    )
    sys.exit(2)
url, agent, message = sys.argv[1:4]
id = sys.argv[4] if len(sys.argv) == 5 else str(uuid.uuid4())
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    answers = channel.queue_declare("", exclusive=True).method.queue
    # Publish it again after a doubt, with the same message_id: it stays one run.
    asked = pika.BasicProperties(message_id=id, reply_to=answers, correlation_id="1")
    channel.basic_publish("watership.inbox", agent, message.encode(), asked, mandatory=True)
    _, _, answer = next(channel.consume(answers, auto_ack=True, inactivity_timeout=60))
    print(f"no answer within a minute; ask again as {id}" if answer is None else answer.decode())
    sys.exit(0 if answer and b'"succeeded"' in answer else 1)
