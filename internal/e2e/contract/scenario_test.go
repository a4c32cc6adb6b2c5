package contract

import (
	"slices"
	"strings"
	"sync"
)

// scenarios returns what is walked in a dialect, those that a route is named
// after first: the first that walks a route is named in the documentation.
func (d *dialect) scenarios() []scenario {
	all := []scenario{
		{"files", storedFiles},
		{"models", models},
		{"assistants", assistants},
		{"threads", threads},
		{"messages", messages},
		{"runs", runs},
		{"functions", functions},
		{"code", code},
		{"ends", ends},
		{"streams", streams},
		{"errors", failures},
		{"vector-stores", vectorStores},
		{"vector-store-files", vectorStoreFiles},
		{"file-batches", fileBatches},
		{"uploads", uploads},
	}
	if d.v1 {
		return append(all, scenario{"attached-files", attachedFiles}, scenario{"file-search", searchesV1})
	}
	return append(all, scenario{"file-search", searches})
}

var (
	weather = object{"type": "function", "function": object{
		"name": "weather", "description": "Tells the weather in a city.",
		"parameters": object{"type": "object", "properties": object{"city": object{"type": "string"}}}}}
	codeInterpreter = object{"type": "code_interpreter"}
	fileSearch      = object{"type": "file_search"}
	retrieval       = object{"type": "retrieval"}
	metadata        = object{"key": "value"}
	answerSchema    = object{"type": "json_schema", "json_schema": object{
		"name": "answer", "strict": true, "description": "An answer.",
		"schema": object{"type": "object", "properties": object{"answer": object{"type": "string"}}, "required": list{"answer"}, "additionalProperties": false}}}
)

// assistant makes an assistant with a model of testdata/models.yaml.
func assistant(c *client, model string, tools ...any) string {
	c.t.Helper()
	return c.make("/assistants", object{"model": model, "instructions": "Be brief.", "tools": append(list{}, tools...)})
}

// thread makes a thread with a message.
func thread(c *client) string {
	c.t.Helper()
	return c.make("/threads", object{"messages": list{object{"role": "user", "content": "Hello"}}})
}

// pages walks through a list of two objects or more, one a page.
func pages(c *client, path string) {
	c.t.Helper()
	if !strings.Contains(path, "?") {
		path += "?"
	}
	first := c.get(path + "&limit=1&order=asc")
	if first["has_more"] != true {
		c.t.Errorf("GET %s: there is one page only", path)
	}
	last, _ := first["last_id"].(string)
	second := c.get(path + "&limit=1&order=asc&after=" + last)
	if len(items(second, "data")) != 1 {
		c.t.Errorf("GET %s: the second page is empty", path)
	}
	c.get(path)
}

func assistants(c *client) {
	file := c.upload("notes.txt", "assistants", "Notes.")
	plain := c.make("/assistants", object{"model": "talks"})
	body := object{
		"model": "talks", "name": "A name", "description": "A description.", "instructions": "Be brief.", "metadata": metadata,
		"tools": list{codeInterpreter, fileSearch, weather}, "temperature": 0.5, "top_p": 0.9, "response_format": object{"type": "text"},
	}
	switch {
	case c.dialect.v1:
		body["file_ids"], body["tools"] = list{file}, list{codeInterpreter, retrieval, weather}
	case c.dialect.late:
		body["tools"] = list{codeInterpreter, weather, object{"type": "file_search", "file_search": object{
			"max_num_results": 5, "ranking_options": object{"ranker": "auto", "score_threshold": 0.25}}}}
		body["response_format"], body["reasoning_effort"] = answerSchema, "low"
		fallthrough
	default:
		body["tool_resources"] = object{"code_interpreter": object{"file_ids": list{file}}}
	}
	path := "/assistants/" + c.make("/assistants", body)
	c.get(path)
	pages(c, "/assistants")
	c.post(path, object{"name": "Another", "metadata": object{}, "tools": list{}, "response_format": "auto"})
	c.delete(path)
	c.delete("/assistants/" + plain)
	c.call(404, "GET", path, nil)
	c.call(400, "POST", "/assistants", object{"model": "talks", "tools": list{object{"type": "telepathy"}}})
}

// message returns a message of the user with a file.
func (d *dialect) message(text, file string) object {
	m := object{"role": "user", "content": text, "metadata": metadata}
	if d.v1 {
		m["file_ids"] = list{file}
	} else {
		m["attachments"] = list{object{"file_id": file, "tools": list{codeInterpreter}}}
	}
	return m
}

func threads(c *client) {
	file := c.upload("table.csv", "assistants", "a,b\n1,2\n")
	c.make("/threads", nil)
	body := object{"messages": list{c.dialect.message("Hello", file)}, "metadata": metadata}
	if !c.dialect.v1 {
		body["tool_resources"] = object{"code_interpreter": object{"file_ids": list{file}}}
	}
	path := "/threads/" + c.make("/threads", body)
	c.get(path)
	c.post(path, object{"metadata": object{"another": "value"}})
	pages(c, "/threads")
	c.delete(path)
	c.call(404, "GET", path, nil)
}

func messages(c *client) {
	file := c.upload("table.csv", "assistants", "a,b\n1,2\n")
	path := "/threads/" + c.make("/threads", nil) + "/messages"
	c.post(path, c.dialect.message("Hello", file))
	c.post(path, object{"role": "assistant", "content": "Hello to you."})
	body := object{"role": "user", "content": "What is this?", "metadata": metadata}
	if !c.dialect.v1 {
		picture := c.upload("picture.gif", "vision", "GIF89a")
		body["content"] = list{
			object{"type": "text", "text": "What is this?"},
			object{"type": "image_file", "image_file": object{"file_id": picture, "detail": "low"}},
			object{"type": "image_url", "image_url": object{"url": "https://example.com/picture.png"}}}
	}
	id := c.make(path, body)
	c.get(path + "/" + id)
	c.post(path+"/"+id, object{"metadata": object{}})
	pages(c, path)
	if !c.dialect.v1 {
		c.delete(path + "/" + id)
		c.call(404, "GET", path+"/"+id, nil)
	}
	c.call(400, "POST", path, object{"role": "system", "content": "Hello"})
}

// attachedFiles walks through the routes that only version 1 has.
func attachedFiles(c *client) {
	one, two := c.upload("one.txt", "assistants", "One."), c.upload("two.txt", "assistants", "Two.")
	path := "/assistants/" + assistant(c, "talks", codeInterpreter, retrieval) + "/files"
	c.get(path)
	c.post(path, object{"file_id": one})
	c.post(path, object{"file_id": two})
	c.get(path + "/" + one)
	pages(c, path)
	c.delete(path + "/" + one)
	c.call(404, "GET", path+"/"+one, nil)

	path = "/threads/" + c.make("/threads", nil) + "/messages"
	path += "/" + c.make(path, object{"role": "user", "content": "Hello", "file_ids": list{one, two}}) + "/files"
	c.get(path + "/" + one)
	pages(c, path)
	c.call(404, "GET", path+"/file-000000000000000000000000", nil)
}

func storedFiles(c *client) {
	c.upload("notes.txt", "user_data", "Notes.")
	kept := c.form(200, "/files", "file", "ends.jsonl", "{}\n", map[string]string{
		"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
	if kept["bytes"] != 3.0 {
		c.t.Errorf("an uploaded file has %v bytes", kept["bytes"])
	}
	picture := c.upload("picture.gif", "vision", "GIF89a")
	if got := c.download("/files/" + picture + "/content"); got != "GIF89a" {
		c.t.Errorf("the file's content is %q", got)
	}
	c.get("/files/" + picture)
	pages(c, "/files")
	c.get("/files?purpose=vision&limit=1")
	c.delete("/files/" + picture)
	c.call(404, "GET", "/files/"+picture, nil)
	c.form(400, "/files", "file", "notes.txt", "Notes.", map[string]string{"purpose": "world_domination"})
}

func models(c *client) {
	c.get("/models/" + text(c.get("/models"), "data", 0, "id"))
	c.call(404, "GET", "/models/nobody-of-this-name", nil)
}

func runs(c *client) {
	a, th := assistant(c, "talks"), thread(c)
	path := "/threads/" + th + "/runs"
	body := object{
		"assistant_id": a, "instructions": "Be briefer.", "additional_instructions": "And friendly.", "metadata": metadata,
		"additional_messages": list{object{"role": "user", "content": "Hello again"}}, "temperature": 0, "top_p": 0.5,
		"max_prompt_tokens": 20000, "max_completion_tokens": 1000, "truncation_strategy": object{"type": "last_messages", "last_messages": 5},
		"tools": list{weather}, "tool_choice": "none", "response_format": object{"type": "text"},
	}
	if c.dialect.late {
		body["parallel_tool_calls"], body["reasoning_effort"] = false, "low"
	}
	run := path + "/" + c.make(path, body)
	if o := c.await(run, settled); o["status"] != "completed" {
		c.t.Errorf("the run is %v", o["status"])
	}
	c.post(run, object{"metadata": object{}})
	second := path + "/" + c.make(path, object{"assistant_id": a})
	c.await(second, settled)
	pages(c, path)
	c.get(run + "/steps/" + text(c.get(run+"/steps?limit=1&order=asc"), "data", 0, "id"))
	c.get("/threads/" + th + "/messages?run_id=" + run[strings.LastIndex(run, "/")+1:])

	both := c.post("/threads/runs", object{"assistant_id": a, "thread": object{
		"messages": list{object{"role": "user", "content": "Hello"}}, "metadata": metadata}})
	c.await("/threads/"+text(both, "thread_id")+"/runs/"+text(both, "id"), settled)
}

// outputs are the outputs of all calls that a run waits for.
func outputs(run object) list {
	var all list
	for _, call := range items(run, "required_action", "submit_tool_outputs", "tool_calls") {
		all = append(all, object{"tool_call_id": dig(call, "id"), "output": "sunny"})
	}
	return all
}

func functions(c *client) {
	a, th := assistant(c, "calls", weather), thread(c)
	path := "/threads/" + th + "/runs"
	run := path + "/" + c.make(path, object{"assistant_id": a, "tool_choice": object{"type": "function", "function": object{"name": "weather"}}})
	waiting := c.await(run, settled)
	c.get(run + "/steps")
	c.call(400, "POST", run+"/submit_tool_outputs", object{"tool_outputs": outputs(waiting)[1:]})
	c.call(400, "POST", path, object{"assistant_id": a})
	c.post(run+"/submit_tool_outputs", object{"tool_outputs": outputs(waiting)})
	if o := c.await(run, settled); o["status"] != "completed" {
		c.t.Errorf("the run is %v", o["status"])
	}
	c.get(run + "/steps")
	c.call(400, "POST", run+"/submit_tool_outputs", object{"tool_outputs": outputs(waiting)})
}

func code(c *client) {
	a, th := assistant(c, "codes", codeInterpreter), thread(c)
	run := "/threads/" + th + "/runs/" + c.make("/threads/"+th+"/runs", object{"assistant_id": a})
	if o := c.await(run, settled); o["status"] != "completed" {
		c.t.Errorf("the run is %v", o["status"])
	}
	c.get(run + "/steps")
	var links list
	for _, part := range items(c.get("/threads/"+th+"/messages?limit=1"), "data", 0, "content") {
		links = append(links, items(part, "text", "annotations")...)
	}
	file := "/files/" + text(links, 0, "file_path", "file_id")
	if got := c.download(file + "/content"); got != "42" {
		c.t.Errorf("the file that was made has %q", got)
	}
	c.get(file)
}

func streams(c *client) {
	ends := func(events []string, want ...string) {
		c.t.Helper()
		want = append(want, "done")
		if n := len(events); n < len(want) || !slices.Equal(events[n-len(want):], want) {
			c.t.Errorf("the stream is %v", events)
		}
	}
	talks := assistant(c, "talks")
	ends(c.stream("/threads/runs", object{"assistant_id": talks, "stream": true, "thread": object{
		"messages": list{object{"role": "user", "content": "Hello"}}}}), "thread.run.completed")
	for model, last := range map[string]string{
		"talks": "completed", "refuses": "completed", "breaks-off": "incomplete", "fails": "failed", "codes": "completed",
	} {
		if c.dialect.v1 && last == "incomplete" {
			last = "completed" // the other event came with version 2
		}
		a := assistant(c, model, codeInterpreter)
		ends(c.stream("/threads/"+thread(c)+"/runs", object{"assistant_id": a, "stream": true}), "thread.run."+last)
	}
	calls, th := assistant(c, "calls", weather), thread(c)
	path := "/threads/" + th + "/runs"
	ends(c.stream(path, object{"assistant_id": calls, "stream": true}), "thread.run.requires_action")
	run, _ := dig(c.get(path), "data", 0).(object)
	ends(c.stream(path+"/"+text(run, "id")+"/submit_tool_outputs", object{"tool_outputs": outputs(run), "stream": true}), "thread.run.completed")

	hangs, th := assistant(c, "hangs"), thread(c)
	path = "/threads/" + th + "/runs"
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		ends(c.stream(path, object{"assistant_id": hangs, "stream": true}), "thread.run.cancelled")
	})
	begun := c.await(path, has(1))
	c.await("/threads/"+th+"/messages", has(2))
	c.post(path+"/"+text(begun, "data", 0, "id")+"/cancel", nil)
}

// ends walks through runs that end otherwise than completed.
func ends(c *client) {
	for model, want := range map[string]string{"refuses": "completed", "breaks-off": "incomplete", "fails": "failed", "hangs": "cancelled"} {
		th := thread(c)
		path := "/threads/" + th + "/runs"
		run := path + "/" + c.make(path, object{"assistant_id": assistant(c, model)})
		if want == "cancelled" {
			c.await("/threads/"+th+"/messages", has(2))
			c.post(run+"/cancel", nil)
		}
		o := c.await(run, settled)
		if o["status"] != want {
			c.t.Errorf("the run of the model that %s is %v", model, o["status"])
		}
		c.get(run + "/steps")
		c.get("/threads/" + th + "/messages")
		c.call(400, "POST", run+"/cancel", nil)
	}
}

func failures(c *client) {
	a, th := assistant(c, "hangs"), thread(c)
	run := "/threads/" + th + "/runs/" + c.make("/threads/"+th+"/runs", object{"assistant_id": a})
	c.call(400, "POST", "/threads/"+th+"/messages", object{"role": "user", "content": "Hello"})
	c.post(run+"/cancel", nil)
	c.await(run, settled)
	c.call(404, "GET", "/threads/thread_000000000000000000000000", nil)
	c.call(404, "GET", "/nowhere", nil)
	c.call(405, "DELETE", "/assistants", nil)
	c.call(400, "POST", "/threads", object{"metadata": object{"key": strings.Repeat("x", 513)}})
	bare := *c.dialect
	without := *c
	without.dialect = &bare
	switch {
	case bare.version != "":
		bare.version = ""
		without.call(404, "GET", "/assistants", nil)
	case !bare.azure:
		bare.header = map[string]string{"Authorization": "Bearer test"}
		without.call(401, "GET", "/assistants", nil)
	}
}
