"""File search: a batch of files goes into a vector store, runs find and cite
what is in them, and say in their steps what they found."""

import openai
from openai import OpenAI

client = OpenAI()
stores = client.vector_stores
texts = {
    "harbour.txt": "The harbour of Lisbon was rebuilt in 1887. Its lighthouse is painted red and white.",
    "bees.md": "# Bees\n\nA colony of bees keeps its brood at 35 degrees. The queen lays two thousand eggs a day.",
    "tax.txt": "The annual return is due on 15 April. Late returns cost a fee of 25 euros a month.",
}

store = stores.create(name="Library", metadata={"k": "v"}, expires_after={"anchor": "last_active_at", "days": 7})
assert (store.name, store.file_counts.total, store.expires_after.days) == ("Library", 0, 7), store
batch = stores.file_batches.upload_and_poll(store.id, files=[(name, text.encode()) for name, text in texts.items()])
assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 3, 0), batch
assert stores.file_batches.retrieve(batch.id, vector_store_id=store.id) == batch
files = list(stores.files.list(store.id, limit=1, order="asc"))
assert {f.status for f in files} == {"completed"} and len(files) == 3 and all(f.usage_bytes > 0 for f in files), files
assert [f.id for f in stores.file_batches.list_files(batch.id, vector_store_id=store.id, order="asc")] == [f.id for f in files]
store = stores.retrieve(store.id)
assert store.status == "completed" and store.usage_bytes > 0 and store.file_counts.completed == 3, store
names = {f.id: client.files.retrieve(f.id).filename for f in files}
ids = {name: id for id, name in names.items()}
assert set(ids) == set(texts), names

# A file with its own chunks and attributes; a search by itself, with a filter.
recipe = client.files.create(file=("recipe.txt", b"Knead the dough for ten minutes. Bees have nothing to do with bread."), purpose="assistants")
added = stores.files.create_and_poll(
    recipe.id,
    vector_store_id=store.id,
    attributes={"kind": "recipe", "year": 1999},
    chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10}},
)
assert (added.status, added.chunking_strategy.static.max_chunk_size_tokens) == ("completed", 100), added
found = stores.search(store.id, query="temperature of the brood of bees", max_num_results=2).data
assert found[0].filename == "bees.md" and "35 degrees" in found[0].content[0].text and 0 < found[0].score <= 1, found
found = stores.search(store.id, query="bees", filters={"type": "eq", "key": "kind", "value": "recipe"}).data
assert [(f.filename, f.attributes) for f in found] == [("recipe.txt", {"kind": "recipe", "year": 1999})], found
assert stores.files.update(recipe.id, vector_store_id=store.id, attributes={"kind": "bread"}).attributes == {"kind": "bread"}
assert "dough" in "".join(part.text for part in stores.files.content(recipe.id, vector_store_id=store.id))

# A run finds, cites and shows its results when asked for them.
assistant = client.beta.assistants.create(
    model="gpt-4o", tools=[{"type": "file_search"}], tool_resources={"file_search": {"vector_store_ids": [store.id]}}
)
assert assistant.tool_resources.file_search.vector_store_ids == [store.id], assistant
thread = client.beta.threads.create(messages=[{"role": "user", "content": "When was the harbour of Lisbon rebuilt?"}])
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
assert run.status == "completed", run


def cited(thread):
    """The answer in a thread and the names of the files that it cites."""
    text = client.beta.threads.messages.list(thread.id).data[0].content[0].text
    for note in text.annotations:
        assert note.type == "file_citation" and text.value[note.start_index : note.end_index] == note.text, note
    return text.value, [client.files.retrieve(note.file_citation.file_id).filename for note in text.annotations]


answer, sources = cited(thread)
assert "1887" in answer and "harbour.txt" in sources, (answer, sources)
include = ["step_details.tool_calls[*].file_search.results[*].content"]
steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc", include=include).data
call = steps[0].step_details.tool_calls[0]
assert call.type == "file_search" and call.file_search.ranking_options.ranker, call
best = call.file_search.results[0]
assert (best.file_name, best.file_id) == ("harbour.txt", ids["harbour.txt"]) and "1887" in best.content[0].text, best
plain = client.beta.threads.runs.steps.retrieve(steps[0].id, run_id=run.id, thread_id=thread.id)
assert not plain.step_details.tool_calls[0].file_search.results[0].content, plain

# A file attached to a message is searched, too: its thread gets a store for it.
own = client.files.create(file=("menu.txt", b"Today the canteen serves lentil soup with mustard."), purpose="assistants")
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "What soup does the canteen serve?", "attachments": [{"file_id": own.id, "tools": [{"type": "file_search"}]}]}]
)
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
    said = "".join(stream.text_deltas)
answer, sources = cited(thread)
assert "lentil soup" in answer and "menu.txt" in sources and said == answer, (said, answer, sources)
assert client.beta.threads.retrieve(thread.id).tool_resources.file_search.vector_store_ids

# Taking away: the file from the store, then the store.
assert stores.files.delete(ids["tax.txt"], vector_store_id=store.id).deleted
assert "tax.txt" not in [f.filename for f in stores.search(store.id, query="annual return late fee").data]
assert client.files.retrieve(ids["tax.txt"]).filename == "tax.txt"
assert stores.update(store.id, name="Renamed").name == "Renamed"
assert store.id in [s.id for s in stores.list(limit=1)]
assert stores.delete(store.id).deleted
try:
    stores.retrieve(store.id)
except openai.NotFoundError as error:
    assert store.id in error.message, error.message
else:
    raise AssertionError("the store is still there")
