"""Version 1 as Azure had it, by api-version: files of assistants and messages,
code, functions. The client checks every answer against its types, in which a run always has instructions."""

import openai
from openai import AzureOpenAI

for version in ["2024-02-15-preview", "2024-03-01-preview"]:
    client = AzureOpenAI(api_version=version, _strict_response_validation=True)
    table = client.files.create(file=("sales.csv", b"month,sales\nJan,3\nFeb,5\n"), purpose="assistants")
    assert table.id.startswith("assistant-"), table
    assistant = client.beta.assistants.create(model="deployment", instructions="Be brief.", tools=[{"type": "code_interpreter"}], file_ids=[table.id])
    assert assistant.file_ids == [table.id], assistant
    assert [f.id for f in client.beta.assistants.files.list(assistant.id)] == [table.id]
    thread = client.beta.threads.create()
    message = client.beta.threads.messages.create(thread.id, role="user", content="Draw a chart of the CSV file.", file_ids=[table.id])
    assert [f.id for f in client.beta.threads.messages.files.list(message.id, thread_id=thread.id)] == [table.id]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    while run.status in ("queued", "in_progress"):
        run = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
    assert run.status == "completed", run
    answer = client.beta.threads.messages.list(thread.id).data[0]
    assert client.files.content(answer.content[0].image_file.file_id).read().startswith(b"\x89PNG\r\n\x1a\n")

    caller = client.beta.assistants.create(
        model="deployment",
        instructions="Be brief.",
        tools=[{"type": "function", "function": {"name": "getNickname", "description": "of a city", "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}}],
    )
    run = client.beta.threads.create_and_run_poll(assistant_id=caller.id, thread={"messages": [{"role": "user", "content": "What is the nickname of Chicago?"}]})
    assert run.status == "requires_action", run
    outputs = [{"tool_call_id": c.id, "output": "Windy City"} for c in run.required_action.submit_tool_outputs.tool_calls]
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs)
    assert run.status == "completed", run
    try:
        client.beta.threads.retrieve("thread_nope")
    except openai.NotFoundError as error:
        assert error.status_code == 404, error
    else:
        raise AssertionError("there is such a thread")
