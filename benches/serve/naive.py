"""What one would write without `spanjet serve`: a FastAPI route that calls `Reader.ask`.

python -m benches.serve.naive PORT
"""

import sys
from typing import Any

import fastapi
import uvicorn
from pydantic import BaseModel
from spanjet import Reader


class Ask(BaseModel):
    """Body of a request."""

    question: str
    context: str


def application() -> fastapi.FastAPI:
    """Make the application; FastAPI calls the route in a thread of a pool."""
    app, reader = fastapi.FastAPI(), Reader()
    reader.ask("Who?", "Nobody.")

    @app.post("/v1/ask")
    def ask(body: Ask) -> dict[str, Any]:
        answer = reader.ask(body.question, body.context)
        return {"answers": [answer.as_dict()]}

    @app.get("/ready")
    def ready() -> None:
        pass

    return app


if __name__ == "__main__":
    uvicorn.run(application(), port=int(sys.argv[1]), log_level="warning", access_log=False)
