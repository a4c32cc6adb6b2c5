// Package model is the server's side of "the model behind it": it answers one
// chat turn as a stream of deltas, whoever produces them.
//
// [Client] speaks the chat-completions protocol to any server that offers it:
// OpenAI, Azure OpenAI, vLLM, Ollama, llama.cpp, LM Studio, LiteLLM. Servers
// differ in many small ways; every difference ends here, so that a consumer of
// [Model.Stream] sees one clean shape. [Router] picks the upstream for the model
// name an assistant asks for. [Detect] finds an upstream in the usual
// environment variables or on the local machine. [Rehearsal] plays scripts and
// is what answers when no model is configured.
//
// The package knows nothing of assistants, threads, runs or storage, and reads
// no environment. Start with [Model] and [Delta].
package model
