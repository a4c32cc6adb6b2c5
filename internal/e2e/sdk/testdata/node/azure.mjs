// The Azure client, which refuses to choose between two addresses.
import assert from "node:assert/strict";
import { AzureOpenAI, toFile } from "openai";
import { equation } from "./common.mjs";

delete process.env.OPENAI_BASE_URL;
const azure = new AzureOpenAI({ endpoint: process.env.AZURE_OPENAI_ENDPOINT, apiKey: "key", apiVersion: "2024-05-01-preview" });
const { assistants, threads } = azure.beta;
const assistant = await assistants.create({ model: "deployment", tools: [{ type: "code_interpreter" }] });
const thread = await threads.create({ messages: [equation] });
const run = await threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
assert.equal(run.status, "completed");
assert.match((await threads.messages.list(thread.id)).data[0].content[0].text.value, /x = 1/);
const file = await azure.files.create({ file: await toFile(Buffer.from("text"), "a.txt"), purpose: "assistants" });
assert.match(file.id, /^assistant-/);
assert.equal(await (await azure.files.content(file.id)).text(), "text");
