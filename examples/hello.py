"""The smallest agent: `python examples/hello.py dev`, then send it a message."""

from watership import App

app = App("hello")


@app.agent
async def hello(name: str) -> str:
    """Greet a person."""
    return f"Hello, {name}!"


if __name__ == "__main__":
    app.main()
