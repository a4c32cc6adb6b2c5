"""Uploads: a file sent in parts, by the helper and part by part."""

import hashlib
import os
import pathlib

import openai
from openai import OpenAI

client = OpenAI()
data = os.urandom(300_000)
upload = client.uploads.upload_file_chunked(
    file=data, filename="noise.tar", bytes=len(data), mime_type="application/x-tar", purpose="assistants", part_size=100_000
)
assert upload.status == "completed" and upload.file.filename == "noise.tar" and upload.file.bytes == len(data), upload
assert client.files.content(upload.file.id).read() == data

path = pathlib.Path("notes.txt")
path.write_bytes(b"line\n" * 1000)
upload = client.uploads.upload_file_chunked(file=path, mime_type="text/plain", purpose="assistants")
assert upload.file.filename == "notes.txt" and client.files.content(upload.file.id).read() == path.read_bytes(), upload

# The order of the parts is the one in which they are named at the end.
upload = client.uploads.create(filename="two.txt", bytes=10, mime_type="text/plain", purpose="assistants")
assert (upload.status, upload.bytes, upload.filename) == ("pending", 10, "two.txt"), upload
parts = [client.uploads.parts.create(upload.id, data=piece).id for piece in (b"world", b"hello")]
done = client.uploads.complete(upload.id, part_ids=parts[::-1], md5=hashlib.md5(b"helloworld").hexdigest())
assert client.files.content(done.file.id).read() == b"helloworld", done

upload = client.uploads.create(filename="three.txt", bytes=3, mime_type="text/plain", purpose="assistants")
assert client.uploads.cancel(upload.id).status == "cancelled"
try:
    client.uploads.parts.create(upload.id, data=b"abc")
except openai.BadRequestError as error:
    assert error.message, error
else:
    raise AssertionError("a cancelled upload took a part")
