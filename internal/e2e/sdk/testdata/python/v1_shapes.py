"""Version 1, in conformance mode: every method with an id that is made up and with
all that it takes, as the generated suites of later versions do it. This SDK's own
suite is in no package index. The client checks every answer against its types."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["UNDERSTUDY_CONFORMANCE"], api_key="My API Key", _strict_response_validation=True, max_retries=0)
assistants, threads = client.beta.assistants, client.beta.threads
page = {"after": "string", "before": "string", "limit": 0, "order": "asc"}
tools = [{"type": "code_interpreter"}, {"type": "retrieval"}, {"type": "function", "function": {"name": "string", "description": "string", "parameters": {"foo": "bar"}}}]
assistant = {"description": "string", "file_ids": ["string", "string"], "instructions": "string", "metadata": {"foo": "string"}, "model": "gpt-4-turbo", "name": "string", "tools": tools}
message = {"role": "user", "content": "x", "file_ids": ["string"], "metadata": {"foo": "string"}}
run = {
    "assistant_id": "string", "instructions": "string", "max_completion_tokens": 256, "max_prompt_tokens": 256,
    "metadata": {"foo": "string"}, "model": "gpt-4-turbo", "response_format": "none", "temperature": 1, "tool_choice": "none",
    "tools": tools, "truncation_strategy": {"type": "auto", "last_messages": 1},
}
added = {"additional_instructions": "string", "additional_messages": [message, message]}
outputs = [{"tool_call_id": "string", "output": "string"}] * 3
ids = {"thread_id": "string", "run_id": "string"}

assistants.create(**assistant)
assistants.retrieve("string")
assistants.update("string", **assistant)
assistants.list(**page)
assistants.delete("string")
assistants.files.create("string", file_id="string")
assistants.files.retrieve("string", assistant_id="string")
assistants.files.list("string", **page)
assistants.files.delete("string", assistant_id="string")

threads.create(messages=[message, message], metadata={"foo": "string"})
threads.retrieve("string")
threads.update("string", metadata={"foo": "string"})
threads.delete("string")
threads.create_and_run(**run, thread={"messages": [message], "metadata": {"foo": "string"}})
threads.create_and_run(**run, thread={"messages": [message]}, stream=True).response.close()

threads.messages.create("string", **message)
threads.messages.retrieve("string", thread_id="string")
threads.messages.update("string", thread_id="string", metadata={"foo": "string"})
threads.messages.list("string", **page, run_id="string")
threads.messages.files.retrieve("file-abc123", thread_id="thread_abc123", message_id="msg_abc123")
threads.messages.files.list("string", thread_id="string", **page)

threads.runs.create("string", **run, **added)
threads.runs.create("string", **run, **added, stream=True).response.close()
threads.runs.retrieve("string", thread_id="string")
threads.runs.update("string", thread_id="string", metadata={"foo": "string"})
threads.runs.list("string", **page)
threads.runs.cancel("string", thread_id="string")
threads.runs.submit_tool_outputs(**ids, tool_outputs=[{}, {}, {}])
threads.runs.submit_tool_outputs(**ids, tool_outputs=outputs)
threads.runs.submit_tool_outputs(**ids, tool_outputs=outputs, stream=True).response.close()
threads.runs.steps.retrieve("string", **ids)
threads.runs.steps.list("string", thread_id="string", **page)

client.files.create(file=b"raw file contents", purpose="assistants")
client.files.retrieve("string")
client.files.list(purpose="assistants")
client.files.content("string")
client.files.delete("string")
