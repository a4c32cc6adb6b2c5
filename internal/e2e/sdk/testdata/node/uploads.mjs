// Uploads: a file sent in parts.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { client } from "./common.mjs";

const start = (bytes) => client.uploads.create({ filename: "two.txt", bytes, mime_type: "text/plain", purpose: "assistants" });
let upload = await start(10);
assert.deepEqual([upload.status, upload.bytes], ["pending", 10]);
const part = async (text) => (await client.uploads.parts.create(upload.id, { data: await toFile(Buffer.from(text), "part") })).id;
const [world, hello] = [await part("world"), await part("hello")];
upload = await client.uploads.complete(upload.id, { part_ids: [hello, world] });
assert.equal(upload.status, "completed");
assert.equal(await (await client.files.content(upload.file.id)).text(), "helloworld");

upload = await start(3);
assert.equal((await client.uploads.cancel(upload.id)).status, "cancelled");
await assert.rejects(part("abc"), OpenAI.BadRequestError);
