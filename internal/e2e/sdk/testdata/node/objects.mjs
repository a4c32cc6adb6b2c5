// Objects one by one: create, read, change, list, delete; and what goes wrong.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { at, client, getNickname, nickname, remove } from "./common.mjs";

const { assistants, threads } = client.beta;
const refused = (kind, pattern) => (e) => e instanceof kind && pattern.test(e.message);

const ids = [];
for (let i = 0; i < 5; i++) ids.push((await assistants.create({ model: "gpt-4o" })).id);
const listed = [];
for await (const a of assistants.list({ limit: 2, order: "asc" })) listed.push(a.id);
assert.deepEqual(listed.filter((id) => ids.includes(id)), ids);
const page = await assistants.list({ limit: 2, after: ids[3] });
assert.deepEqual(page.data.map((a) => a.id), [ids[2], ids[1]]);
assert.equal((await page.getNextPage()).data[0].id, ids[0]);
const changed = await assistants.update(ids[0], { name: "renamed", metadata: { k: "v" } });
assert.deepEqual([changed.name, changed.metadata], ["renamed", { k: "v" }]);
for (const id of ids) assert.ok((await assistants[remove](id)).deleted);
await assert.rejects(assistants.retrieve(ids[0]), refused(OpenAI.NotFoundError, /No assistant found with id/));

let thread = await threads.create({ metadata: { a: "b" } });
const first = await threads.messages.create(thread.id, { role: "user", content: "one" });
const second = await threads.messages.create(thread.id, { role: "assistant", content: [{ type: "text", text: "two" }] });
assert.deepEqual((await at(threads.messages, "update", thread.id, first.id, { metadata: { x: "y" } })).metadata, { x: "y" });
assert.equal((await at(threads.messages, "retrieve", thread.id, second.id)).content[0].text.value, "two");
assert.ok((await at(threads.messages, remove, thread.id, second.id)).deleted);
assert.deepEqual((await threads.messages.list(thread.id)).data.map((m) => m.id), [first.id]);
assert.ok((await threads[remove](thread.id)).deleted);
await assert.rejects(threads.create({ metadata: { n: 1 } }), (e) => e instanceof OpenAI.BadRequestError && e.param === "metadata.n");

const file = await client.files.create({ file: await toFile(Buffer.from("données"), "été.txt"), purpose: "assistants" });
assert.deepEqual([file.filename, file.bytes, file.purpose], ["été.txt", 8, "assistants"]);
assert.equal(await (await client.files.content(file.id)).text(), "données");
assert.ok((await client.files[remove](file.id)).deleted);
await assert.rejects(client.files.retrieve(file.id), refused(OpenAI.NotFoundError, /No such File object/));

// A run that waits locks its thread, and can be cancelled.
const caller = await assistants.create({ model: "gpt-4o", tools: [getNickname] });
thread = await threads.create({ messages: [nickname] });
let run = await threads.runs.createAndPoll(thread.id, { assistant_id: caller.id });
await assert.rejects(
  threads.messages.create(thread.id, { role: "user", content: "more" }),
  refused(OpenAI.BadRequestError, new RegExp(`while a run ${run.id} is active`)),
);
await at(threads.runs, "cancel", thread.id, run.id);
run = await at(threads.runs, "poll", thread.id, run.id);
assert.equal(run.status, "cancelled");
