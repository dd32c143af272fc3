"""Reads streamed answers of a Messages API with LiteLLM and prints what it understood; run with the interpreter of a venv that has it."""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def read(url: str, key: str) -> dict[str, object]:
    """The words, the calls and the reason for the end of one answer."""
    import litellm  # type: ignore[import-not-found, unused-ignore]  # pyright: ignore[reportMissingImports]

    said: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    reason = None
    for chunk in litellm.completion(
        model="anthropic/claude-haiku-4-5",
        api_base=url,
        api_key=key,
        messages=[{"role": "user", "content": "Hello."}],
        max_tokens=60,
        num_retries=0,
        stream=True,
    ):
        choice = chunk.choices[0]
        said.append(choice.delta.content or "")
        for part in choice.delta.tool_calls or ():
            call = calls.setdefault(part.index, {"name": "", "arguments": ""})
            call["name"] += part.function.name or ""
            call["arguments"] += part.function.arguments or ""
        reason = choice.finish_reason or reason
    return {"said": "".join(said), "calls": [calls[index] for index in sorted(calls)], "reason": reason}


if __name__ == "__main__":
    answers = [read(sys.argv[1], sys.argv[2]) for _ in range(int(sys.argv[3]))]
    sys.stdout.write(json.dumps(answers) + "\n")
