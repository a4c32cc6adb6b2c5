package contract

// resultContent asks for the passages that searches of a run have found.
const resultContent = "include[]=step_details.tool_calls[*].file_search.results[*].content"

// colours uploads a document to search in.
func colours(c *client) string {
	c.t.Helper()
	return c.upload("colours.txt", "assistants", "Green is the favourite colour of Ann. Ben likes blue.")
}

// storeOf makes a vector store with files, and waits until they can be searched.
func storeOf(c *client, files ...any) string {
	c.t.Helper()
	path := "/vector_stores/" + c.make("/vector_stores", object{"file_ids": append(list{}, files...)})
	c.await(path, settled)
	return path
}

func vectorStores(c *client) {
	file := colours(c)
	body := object{"name": "A name", "file_ids": list{file}, "metadata": metadata, "expires_after": object{"anchor": "last_active_at", "days": 3}}
	if c.dialect.late {
		body["chunking_strategy"] = object{"type": "static", "static": object{"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
	}
	path := "/vector_stores/" + c.make("/vector_stores", body)
	c.await(path, settled)
	plain := "/vector_stores/" + c.make("/vector_stores", object{})
	pages(c, "/vector_stores")
	c.post(path, object{"name": "Another", "expires_after": nil, "metadata": object{}})
	found := c.post(path+"/search", object{"query": "favourite colour", "max_num_results": 5, "ranking_options": object{"ranker": "auto", "score_threshold": 0},
		"filters": object{"type": "ne", "key": "lang", "value": "fr"}})
	if len(items(found, "data")) == 0 {
		c.t.Errorf("the search found nothing")
	}
	c.delete(plain)
	c.call(404, "GET", plain, nil)
	c.call(400, "POST", path+"/search", object{"query": "x", "max_num_results": 1000})
}

func vectorStoreFiles(c *client) {
	good, bad := colours(c), c.upload("picture.png", "assistants", "not a text")
	path := storeOf(c) + "/files"
	body := object{"file_id": good}
	if c.dialect.late {
		body["attributes"] = object{"lang": "en", "year": 2024, "draft": false}
		body["chunking_strategy"] = object{"type": "auto"}
	}
	c.post(path, body)
	c.post(path, object{"file_id": bad})
	if o := c.await(path+"/"+good, settled); o["status"] != "completed" {
		c.t.Errorf("the file is %v", o)
	}
	if o := c.await(path+"/"+bad, settled); o["status"] != "failed" {
		c.t.Errorf("the file without text is %v", o)
	}
	pages(c, path)
	c.get(path + "?filter=failed")
	c.post(path+"/"+good, object{"attributes": object{"lang": "de"}})
	c.get(path + "/" + good + "/content")
	c.delete(path + "/" + good)
	c.call(404, "GET", path+"/"+good, nil)
	c.call(404, "POST", path, object{"file_id": "file-000000000000000000000000"})
}

func fileBatches(c *client) {
	one, two := colours(c), colours(c)
	path := storeOf(c) + "/file_batches"
	batch := path + "/" + c.make(path, object{"file_ids": list{one, two}})
	c.await(batch, settled)
	pages(c, batch+"/files")
	c.get(batch + "/files?filter=completed")
	second := path + "/" + c.make(path, object{"file_ids": list{one}})
	c.post(second+"/cancel", nil)
	c.await(second, settled)
	c.call(404, "GET", path+"/vsfb_00000000000000000000000000000000", nil)
}

// searches walks through file search: in stores of an assistant, of a thread and
// of a message, polled and streamed.
func searches(c *client) {
	file := colours(c)
	a := text(c.post("/assistants", object{"model": "searches", "tools": list{fileSearch},
		"tool_resources": object{"file_search": object{"vector_stores": list{object{"file_ids": list{file}, "metadata": metadata}}}}}), "id")
	th := c.post("/threads", object{
		"messages":       list{object{"role": "user", "content": "Hello", "attachments": list{object{"file_id": colours(c), "tools": list{fileSearch}}}}},
		"tool_resources": object{"file_search": object{"vector_stores": list{object{"file_ids": list{colours(c)}}}}}})
	c.await("/vector_stores/"+text(c.get("/assistants/"+a), "tool_resources", "file_search", "vector_store_ids", 0), settled)
	thread := "/threads/" + text(th, "id")
	run := thread + "/runs/" + c.make(thread+"/runs", object{"assistant_id": a})
	if o := c.await(run, settled); o["status"] != "completed" {
		c.t.Errorf("the run is %v", o)
	}
	c.get(run + "/steps")
	c.get(run + "/steps?" + resultContent)
	cited := c.get(thread + "/messages?limit=1")
	if len(items(cited, "data", 0, "content", 0, "text", "annotations")) == 0 {
		c.t.Errorf("the answer cites nothing: %v", cited)
	}
	c.stream(thread+"/runs?"+resultContent, object{"assistant_id": a, "stream": true})
}

// searchesV1 is file search as version 1 has it.
func searchesV1(c *client) {
	a := c.make("/assistants", object{"model": "searches", "tools": list{retrieval}, "file_ids": list{colours(c)}})
	thread := "/threads/" + c.make("/threads", object{"messages": list{object{"role": "user", "content": "Hello", "file_ids": list{colours(c)}}}})
	run := thread + "/runs/" + c.make(thread+"/runs", object{"assistant_id": a})
	if o := c.await(run, settled); o["status"] != "completed" {
		c.t.Errorf("the run is %v", o)
	}
	c.get(run + "/steps")
	c.get(thread + "/messages")
	c.stream(thread+"/runs", object{"assistant_id": a, "stream": true})
}

func uploads(c *client) {
	body := object{"filename": "notes.jsonl", "purpose": "batch", "bytes": 6, "mime_type": "application/jsonl"}
	path := "/uploads/" + c.make("/uploads", body)
	part := func(content string) string {
		return text(c.form(200, path+"/parts", "data", "blob", content, nil), "id")
	}
	one, two := part("{}\n"), part("[]\n")
	done := c.post(path+"/complete", object{"part_ids": list{one, two}})
	if got := c.download("/files/" + text(done, "file", "id") + "/content"); got != "{}\n[]\n" {
		c.t.Errorf("the file that was uploaded in parts has %q", got)
	}
	c.call(400, "POST", path+"/complete", object{"part_ids": list{one, two}})
	path = "/uploads/" + c.make("/uploads", body)
	c.post(path+"/cancel", nil)
	c.call(400, "POST", path+"/cancel", nil)
	c.call(404, "POST", "/uploads/upload_00000000000000000000000000000000/cancel", nil)
}
