package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// routes is the whole API, without the dialects' prefixes. The dialects of
// version 2 share it; see routesV1 for the others.
func (s *server) routes() map[string]handler {
	return map[string]handler{
		"GET    /assistants":                s.listAssistants,
		"POST   /assistants":                s.createAssistant,
		"GET    /assistants/{assistant_id}": s.getAssistant,
		"POST   /assistants/{assistant_id}": s.modifyAssistant,
		"DELETE /assistants/{assistant_id}": s.deleteAssistant,

		"GET    /threads":             s.listThreads,
		"POST   /threads":             s.createThread,
		"GET    /threads/{thread_id}": s.getThread,
		"POST   /threads/{thread_id}": s.modifyThread,
		"DELETE /threads/{thread_id}": s.deleteThread,

		"GET    /threads/{thread_id}/messages":              s.listMessages,
		"POST   /threads/{thread_id}/messages":              s.createMessage,
		"GET    /threads/{thread_id}/messages/{message_id}": s.getMessage,
		"POST   /threads/{thread_id}/messages/{message_id}": s.modifyMessage,
		"DELETE /threads/{thread_id}/messages/{message_id}": s.deleteMessage,

		"POST   /threads/runs":                                          s.createThreadAndRun,
		"GET    /threads/{thread_id}/runs":                              s.listRuns,
		"POST   /threads/{thread_id}/runs":                              s.createRun,
		"GET    /threads/{thread_id}/runs/{run_id}":                     s.getRun,
		"POST   /threads/{thread_id}/runs/{run_id}":                     s.modifyRun,
		"POST   /threads/{thread_id}/runs/{run_id}/cancel":              s.cancelRun,
		"POST   /threads/{thread_id}/runs/{run_id}/submit_tool_outputs": s.submitToolOutputs,
		"GET    /threads/{thread_id}/runs/{run_id}/steps":               s.listSteps,
		"GET    /threads/{thread_id}/runs/{run_id}/steps/{step_id}":     s.getStep,

		"GET    /files":                   s.listFiles,
		"POST   /files":                   s.uploadFile,
		"GET    /files/{file_id}":         s.getFile,
		"DELETE /files/{file_id}":         s.deleteFile,
		"GET    /files/{file_id}/content": s.fileContent,

		"POST   /uploads":                      s.createUpload,
		"POST   /uploads/{upload_id}/parts":    s.addUploadPart,
		"POST   /uploads/{upload_id}/complete": s.completeUpload,
		"POST   /uploads/{upload_id}/cancel":   s.cancelUpload,

		"GET    /vector_stores":                          s.listVectorStores,
		"POST   /vector_stores":                          s.createVectorStore,
		"GET    /vector_stores/{vector_store_id}":        s.getVectorStore,
		"POST   /vector_stores/{vector_store_id}":        s.modifyVectorStore,
		"DELETE /vector_stores/{vector_store_id}":        s.deleteVectorStore,
		"POST   /vector_stores/{vector_store_id}/search": s.searchVectorStore,

		"GET    /vector_stores/{vector_store_id}/files":                   s.listVectorStoreFiles,
		"POST   /vector_stores/{vector_store_id}/files":                   s.attachFile,
		"GET    /vector_stores/{vector_store_id}/files/{file_id}":         s.getVectorStoreFile,
		"POST   /vector_stores/{vector_store_id}/files/{file_id}":         s.modifyVectorStoreFile,
		"DELETE /vector_stores/{vector_store_id}/files/{file_id}":         s.detachFile,
		"GET    /vector_stores/{vector_store_id}/files/{file_id}/content": s.vectorStoreFileContent,

		"POST   /vector_stores/{vector_store_id}/file_batches":                   s.createFileBatch,
		"GET    /vector_stores/{vector_store_id}/file_batches/{batch_id}":        s.getFileBatch,
		"POST   /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel": s.cancelFileBatch,
		"GET    /vector_stores/{vector_store_id}/file_batches/{batch_id}/files":  s.listBatchFiles,

		"GET    /models":            s.listModels,
		"GET    /models/{model...}": s.getModel,
	}
}

// routesV1 changes routes into those of version 1.
func (s *server) routesV1(routes map[string]handler) {
	delete(routes, "DELETE /threads/{thread_id}/messages/{message_id}")
	maps.Copy(routes, map[string]handler{
		"POST   /assistants":                s.createAssistantV1,
		"POST   /assistants/{assistant_id}": s.modifyAssistantV1,

		"GET    /assistants/{assistant_id}/files":           s.listAssistantFiles,
		"POST   /assistants/{assistant_id}/files":           s.createAssistantFile,
		"GET    /assistants/{assistant_id}/files/{file_id}": s.getAssistantFile,
		"DELETE /assistants/{assistant_id}/files/{file_id}": s.deleteAssistantFile,

		"GET    /threads/{thread_id}/messages/{message_id}/files":           s.listMessageFiles,
		"GET    /threads/{thread_id}/messages/{message_id}/files/{file_id}": s.getMessageFile,
	})
}

// healthHandler answers GET /healthz. It needs no key.
func healthHandler(health func(context.Context) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body any = struct {
			Status string `json:"status"`
		}{Status: "ok"}
		if health != nil {
			body = health(r.Context())
		}
		if err := ok(w, body); err != nil {
			http.Error(w, "health report not encoded", http.StatusInternalServerError)
		}
	})
}

// table returns the routes of the server's dialect.
func (s *server) table() map[string]handler {
	routes := s.routes()
	if s.dialect.v1 {
		s.routesV1(routes)
	}
	return routes
}

// Routes returns the rows of the route table, "GET /assistants" and so on, by the
// names of the dialects, without their prefixes: what there is to be tested and
// documented.
func Routes() map[string][]string {
	tables := make(map[string][]string)
	for _, d := range newDialects() {
		for pattern := range (&server{dialect: d}).table() {
			tables[d.name] = append(tables[d.name], strings.Join(strings.Fields(pattern), " "))
		}
		slices.Sort(tables[d.name])
	}
	return tables
}
