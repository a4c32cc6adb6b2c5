"""The Azure clients: versions of the API, a deployment in the address, code, file
search, functions, errors."""

import asyncio

import openai
from openai import AsyncAzureOpenAI, AzureOpenAI

equation = {"role": "user", "content": "I need to solve the equation `3x + 11 = 14`. Can you help me?"}
for version in ["2024-05-01-preview", "2024-10-01-preview", "2025-04-01-preview"]:
    client = AzureOpenAI(api_version=version)
    coder = client.beta.assistants.create(model="deployment", tools=[{"type": "code_interpreter"}])
    run = client.beta.threads.create_and_run_poll(assistant_id=coder.id, thread={"messages": [equation]})
    assert run.status == "completed", run
    assert "x = 1" in client.beta.threads.messages.list(run.thread_id).data[0].content[0].text.value

    store = client.vector_stores.create(name="Library")
    batch = client.vector_stores.file_batches.upload_and_poll(
        store.id, files=[("harbour.txt", b"The harbour of Lisbon was rebuilt in 1887."), ("bees.txt", b"Bees keep their brood at 35 degrees.")]
    )
    assert (batch.status, batch.file_counts.completed) == ("completed", 2), batch
    assert all(f.id.startswith("assistant-") for f in client.vector_stores.files.list(store.id))
    reader = client.beta.assistants.create(
        model="deployment", tools=[{"type": "file_search"}], tool_resources={"file_search": {"vector_store_ids": [store.id]}}
    )
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "When was the harbour of Lisbon rebuilt?"}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=reader.id) as stream:
        said = "".join(stream.text_deltas)
    text = client.beta.threads.messages.list(thread.id).data[0].content[0].text
    assert said == text.value and "1887" in said, (said, text)
    assert "harbour.txt" in [client.files.retrieve(n.file_citation.file_id).filename for n in text.annotations], text
    try:
        client.beta.threads.retrieve("thread_nope")
    except openai.NotFoundError as error:
        assert "No thread found with id 'thread_nope'" in error.message, error
    else:
        raise AssertionError("there is such a thread")


async def with_deployment():
    """Some versions of the SDK put the deployment into every path."""
    async with AsyncAzureOpenAI(api_version="2024-05-01-preview", azure_deployment="gpt-4o") as client:
        coder = await client.beta.assistants.create(model="gpt-4o", tools=[{"type": "code_interpreter"}])
        thread = await client.beta.threads.create(messages=[equation])
        run = await client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=coder.id)
        assert run.status == "completed", run


asyncio.run(with_deployment())
