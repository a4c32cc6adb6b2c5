// File search: a batch of files goes into a vector store, runs find and cite what
// is in them, and say in their steps what they found.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { at, client, remove } from "./common.mjs";

const { assistants, threads } = client.beta;
const stores = client.vectorStores;
const inStore = (resource, method, store, child, body) => at(resource, method, store, child, body, "vector_store_id");
const texts = {
  "harbour.txt": "The harbour of Lisbon was rebuilt in 1887. Its lighthouse is painted red and white.",
  "bees.md": "# Bees\n\nA colony of bees keeps its brood at 35 degrees. The queen lays two thousand eggs a day.",
};

let store = await stores.create({ name: "Library", metadata: { k: "v" } });
const files = await Promise.all(Object.entries(texts).map(([name, text]) => toFile(Buffer.from(text), name)));
const batch = await stores.fileBatches.uploadAndPoll(store.id, { files });
assert.deepEqual([batch.status, batch.file_counts.completed], ["completed", 2]);
const names = {};
for await (const f of stores.files.list(store.id, { limit: 1 })) names[(await client.files.retrieve(f.id)).filename] = f.id;
assert.deepEqual(Object.keys(names).sort(), Object.keys(texts).sort());

const added = await stores.files.uploadAndPoll(store.id, await toFile(Buffer.from("Knead the dough for ten minutes."), "recipe.txt"));
assert.equal(added.status, "completed");
await inStore(stores.files, "update", store.id, added.id, { attributes: { kind: "recipe" } });
let found = (await stores.search(store.id, { query: "temperature of the brood of bees" })).data;
assert.equal(found[0].filename, "bees.md");
assert.match(found[0].content[0].text, /35 degrees/);
found = (await stores.search(store.id, { query: "dough", filters: { type: "eq", key: "kind", value: "recipe" } })).data;
assert.deepEqual(found.map((f) => [f.filename, f.attributes]), [["recipe.txt", { kind: "recipe" }]]);

// A run finds, cites and shows its results when asked for them.
const assistant = await assistants.create({
  model: "gpt-4o",
  tools: [{ type: "file_search" }],
  tool_resources: { file_search: { vector_store_ids: [store.id] } },
});
const thread = await threads.create({ messages: [{ role: "user", content: "When was the harbour of Lisbon rebuilt?" }] });
const stream = threads.runs.stream(thread.id, { assistant_id: assistant.id });
const run = await stream.finalRun();
assert.equal(run.status, "completed");
const { value, annotations } = (await stream.finalMessages())[0].content[0].text;
assert.match(value, /1887/);
assert.ok(annotations.some((a) => a.file_citation.file_id === names["harbour.txt"]));
for (const a of annotations) assert.equal([...value].slice(a.start_index, a.end_index).join(""), a.text);
const include = ["step_details.tool_calls[*].file_search.results[*].content"];
const steps = (await at(threads.runs.steps, "list", thread.id, run.id, { order: "asc", include })).data;
const [best] = steps[0].step_details.tool_calls[0].file_search.results;
assert.equal(best.file_name, "harbour.txt");
assert.match(best.content[0].text, /1887/);

assert.ok((await inStore(stores.files, remove, store.id, names["bees.md"])).deleted);
store = await stores.update(store.id, { name: "Renamed" });
assert.deepEqual([store.name, store.file_counts.completed], ["Renamed", 2]);
assert.ok((await stores[remove](store.id)).deleted);
await assert.rejects(stores.retrieve(store.id), (e) => e instanceof OpenAI.NotFoundError && e.message.includes(store.id));
