// Package understudy is the vocabulary of the Assistants API: its objects,
// statuses and the legal steps between them, events, errors, limits and ids. It
// imports the standard library only and does nothing by itself: no I/O, no
// goroutines, no clock.
//
// The types are what goes over the wire, because this program is a published
// protocol. Go programs may import them, but until version 1 only the HTTP API
// is promised to stay as it is.
//
// The rest of this comment is a tour of the house for people who want to change
// something in it. docs/design.md says why things are as they are. A test checks
// that every name in brackets exists.
//
// # The rooms
//
// From the ground up:
//
//   - this package, which every other may use;
//   - [store], every SQL statement, the event log of runs and their leases;
//   - [blob], the bytes of files;
//   - [model], the chat models behind assistants, and the rehearsal model that
//     plays scripts when there is none;
//   - [sandbox], the Python sessions of the code interpreter, and [pyenv], which
//     installs the packages that [python] pins for them;
//   - [entra], which decides about the tokens of Azure's clients;
//   - [search], which cuts texts into chunks, indexes and ranks them;
//   - [engine], which executes runs with all of these;
//   - [api], which serves the protocol over HTTP;
//   - cmd/understudy, which reads the configuration and puts everything together.
//
// The leaves never import each other, and api and engine do not import each
// other. house_test.go has the table of who may import whom; a new package has to
// be entered there.
//
// # One request from end to end
//
// A client sends POST /v1/threads/runs with "stream": true. These are the rooms
// it passes.
//
// In [api], the front finds the dialect, checks the key and picks the handler
// from the one route table ([api.New], routes.go). The body is checked against a
// declared schema, so that errors name the field as the hosted API would, and
// decoded. Everything behind the front speaks one dialect.
//
// [store.DB.CreateRun] writes the thread, its messages, the queued run and their
// first events ([EventThreadCreated], [EventRunCreated], …) in one transaction.
// That a thread has one active run is a unique index of the database, not a flag
// that somebody has to clear. The write goes through the one writer, which commits
// whatever else has queued up with it: a flush to disk is shared.
//
// The handler tells the engine that there is work ([api.Engine], which is
// [engine.Engine.Start]) and becomes a reader: [store.DB.Follow] yields the run's
// events from the beginning, waiting for those to come. That is all a stream is.
// A client that polls reads the run's row instead ([store.DB.Run]), and the two
// cannot disagree, since state and event are written together. Polls of the SDKs'
// helpers are held until the run settles ([store.DB.Watch]). A client that goes
// away stops reading; the run does not notice.
//
// The engine claims the run ([store.DB.ClaimRun]): a lease that it renews while it
// works. A process that dies loses its leases, and whoever claims the run next
// goes on after its last finished step. Claims are numbered ([store.Claim]), so
// that a process which only seemed dead cannot write any more.
//
// Now it goes round (execution.work in engine/execute.go). It collects
// what the model is to see: instructions, the thread after truncation, earlier
// tool calls, images; code_interpreter and file_search are offered as functions
// ([model.Request]). It asks [model.Model.Stream], where a [model.Router] has
// translated the model's name, and passes on each [model.Delta] as it comes: text
// into a [Message], calls into a [Step]. Deltas go to readers at once
// ([store.DB.Publish]) and to disk with the run's next commit: a token does not
// pay for a flush.
//
// If the model called tools, code goes to [sandbox.Manager.Run], in the session of
// the thread, with the files of assistant, thread and messages placed under
// /mnt/data; output and figures are published as they arrive, what the code changed
// there is kept for later sessions ([sandbox.Keeper]), and the text goes back to
// the model, tracebacks too. Functions are the client's to call: the run
// becomes [RunRequiresAction] and the engine lets go of it, until
// [store.DB.SubmitToolOutputs] puts it back into the queue. Then the model's turn
// comes again.
//
// A file_search call ranks the chunks of the files in the vector stores of
// assistant and thread ([engine.Engine.Search]). The model sees each with a marker,
// and where its answer repeats one, the message gets an [Annotation].
//
// When the model is done, links to sandbox:/mnt/data become files and annotations,
// and [store.DB.Commit] writes message, step, usage and [RunCompleted] with their
// events in one transaction ([store.RunTx.Become], which asks [Run.Become] whether
// the life cycle has such a step). [EventName.EndsStream] tells readers that
// nothing follows.
//
// # A file on its way into a vector store
//
// [store.DB.CreateVectorStore] and its kin write the file as in progress, and the
// engine is told ([engine.Engine.Ingest]). It claims the file ([store.IngestClaim]),
// as it does runs; has the text read out of it, in a session of the sandbox if it is
// a document; cuts it ([search.Split]) and indexes it ([search.Build]). The index, a
// [search.Segment], becomes a blob that never changes, and one row
// ([store.DB.FinishIngestion]) makes the file part of what is searched.
//
// # What can go wrong
//
// An [Error] is for the client's eyes: whoever finds the fault makes it, with the
// protocol's words, and api alone decides how each [ErrorKind] looks in each
// dialect. Any other error is internal, and the client learns a request id.
//
// Every state of a run that is not final has a deadline: expires_at, enforced by
// [engine.Engine.Run], or a lease, after which somebody else looks. A model that is
// busy is asked again within the run ([model.Client]); a cell that hangs or eats
// the memory is ended by the sandbox ([sandbox.Limits]) and the model is told.
//
// # Where to change things
//
//   - An endpoint: a row in api/routes.go, a handler beside its siblings, a method
//     of [store.DB].
//   - A field of an object: the struct here, its schema in api/schemas*.go.
//   - What a dialect is and how it shows an object: api/dialect.go, view.go and v1.go.
//   - A kind of document that can be searched: engine/extract.go and extract.py.
//   - A kind of upstream, or a quirk of one: [model], with a test in quirks_test.go.
//   - What a session may do: [sandbox], with a case in its hostile tests.
//   - A setting: the configuration in cmd/understudy/config.go and docs/configuration.md.
package understudy
