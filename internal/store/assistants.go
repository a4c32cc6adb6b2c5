package store

import (
	"context"

	"github.com/understudy-dev/understudy"
)

// CreateAssistant stores a new assistant, and vector stores with it, which are
// added to its resources. Files and stores it names must exist.
func (db *DB) CreateAssistant(ctx context.Context, a *understudy.Assistant, stores ...NewVectorStore) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error { return t.createAssistant(ctx, a, stores) })
}

func (t *tx) createAssistant(ctx context.Context, a *understudy.Assistant, stores []NewVectorStore) error {
	if err := t.createStores(ctx, &a.ToolResources, stores); err != nil {
		return err
	}
	if err := t.useResources(ctx, a.ID, &a.ToolResources); err != nil {
		return err
	}
	doc, err := encode(a)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO assistants (id, doc) VALUES ($1, $2)", a.ID, doc)
	return err
}

const selectAssistant = "SELECT doc FROM assistants WHERE id = $1"

// Assistant returns the assistant with the given id.
func (db *DB) Assistant(ctx context.Context, id string) (*understudy.Assistant, error) {
	a, err := document[understudy.Assistant](ctx, db, selectAssistant, id)
	return a, notFound(err, "assistant", id)
}

// UpdateAssistant lets edit change the assistant and stores the result. Files
// and vector stores it names afterwards must exist. Nothing is stored if edit fails.
func (db *DB) UpdateAssistant(ctx context.Context, id string, edit func(*understudy.Assistant) error) (a *understudy.Assistant, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		a, err = t.updateAssistant(ctx, id, edit)
		return err
	})
	return a, err
}

func (t *tx) updateAssistant(ctx context.Context, id string, edit func(*understudy.Assistant) error) (*understudy.Assistant, error) {
	a, err := document[understudy.Assistant](ctx, t, selectAssistant, id)
	if err != nil {
		return nil, notFound(err, "assistant", id)
	}
	if err := edit(a); err != nil {
		return nil, err
	}
	if err := t.useResources(ctx, id, &a.ToolResources); err != nil {
		return nil, err
	}
	return a, t.save(ctx, "assistants", id, a)
}

// DeleteAssistant deletes the assistant. Its runs and messages stay.
func (db *DB) DeleteAssistant(ctx context.Context, id string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.remove(ctx, "assistants", id); err != nil {
			return notFound(err, "assistant", id)
		}
		return t.useResources(ctx, id, nil)
	})
}

// ListAssistants returns a page of all assistants.
func (db *DB) ListAssistants(ctx context.Context, p understudy.Page) ([]*understudy.Assistant, bool, error) {
	return page[understudy.Assistant](ctx, db, listing{table: "assistants"}, p)
}
