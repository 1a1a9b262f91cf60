"""What talks to RabbitMQ."""
