// Streams: the accumulator with its events, functions on both sides of the wait,
// raw events, and the readable stream of the quickstart.
import assert from "node:assert/strict";
import { answers, at, client, equation, getNickname, nickname } from "./common.mjs";

const { assistants, threads } = client.beta;
const coder = await assistants.create({ model: "gpt-4o", tools: [{ type: "code_interpreter" }] });
const caller = await assistants.create({ model: "gpt-4o", tools: [getNickname] });

let thread = await threads.create({ messages: [equation] });
const kinds = ["toolCallCreated", "toolCallDelta", "toolCallDone", "messageCreated", "textCreated", "textDelta", "textDone", "messageDone", "end"];
const heard = [];
let stream = threads.runs.stream(thread.id, { assistant_id: coder.id });
for (const kind of kinds) stream.on(kind, () => heard.at(-1) === kind || heard.push(kind));
let run = await stream.finalRun();
await stream.done();
assert.equal(run.status, "completed");
assert.deepEqual(heard, kinds);
assert.match((await stream.finalMessages())[0].content[0].text.value, /x = 1/);
assert.deepEqual((await stream.finalRunSteps()).map((s) => s.type), ["tool_calls", "message_creation"]);

stream = threads.createAndRunStream({ assistant_id: caller.id, thread: { messages: [nickname] } });
run = await stream.finalRun();
assert.equal(run.status, "requires_action");
stream = at(threads.runs, "submitToolOutputsStream", run.thread_id, run.id, { tool_outputs: answers(run, "Windy City") });
assert.equal((await stream.finalRun()).status, "completed");
assert.match((await stream.finalMessages())[0].content[0].text.value, /Windy City/);

const names = [];
for await (const event of await threads.createAndRun({ assistant_id: coder.id, thread: { messages: [equation] }, stream: true }))
  names.push(event.event);
assert.equal(names[0], "thread.created");
assert.equal(names.at(-1), "thread.run.completed");

thread = await threads.create({ messages: [equation] });
let lines = "";
for await (const chunk of threads.runs.stream(thread.id, { assistant_id: coder.id }).toReadableStream()) lines += Buffer.from(chunk).toString();
assert.ok(lines.trim().split("\n").map((line) => JSON.parse(line)).some((e) => e.event === "thread.message.completed"));
