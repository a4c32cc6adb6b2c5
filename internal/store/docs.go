package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
)

// one scans the single row of a query. It returns [sql.ErrNoRows] if there is
// none.
func one(ctx context.Context, q querier, query string, args []any, dest ...any) error {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// document reads the object of a single row whose one column is its document.
func document[T any](ctx context.Context, q querier, query string, args ...any) (*T, error) {
	var doc []byte
	if err := one(ctx, q, query, args, &doc); err != nil {
		return nil, err
	}
	return decode[T](doc)
}

// documents reads the objects of all rows.
func documents[T any](ctx context.Context, q querier, query string, args ...any) ([]*T, error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*T
	for rows.Next() {
		var doc sql.RawBytes
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		v, err := decode[T](doc)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

func decode[T any](doc []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(doc, v); err != nil {
		return nil, fmt.Errorf("stored %T: %w", v, err)
	}
	return v, nil
}

func encode(v any) (string, error) {
	b, err := understudy.Encode(v)
	return string(b), err
}

// listing is a list that can be paged through: the rows of table under the
// condition where, whose arguments are args, in the order of creation.
type listing struct {
	table string
	where string // "" for all; placeholders $1 … for args
	args  []any
	scope string // what precedes the ids in the table deleted: they are unique within it only

	// metadata is what the objects shown must have in theirs, and status their
	// status, "" for any. They do not move the others out of the list: a page may
	// begin after an object that is not shown.
	metadata understudy.Metadata
	status   string
}

// page reads one page and reports whether more follows it in the listing's
// order (or, asked for what is before an object, whether more precedes it).
func page[T any](ctx context.Context, db *DB, l listing, p understudy.Page) ([]*T, bool, error) {
	conds, args := []string{}, slices.Clone(l.args)
	if l.where != "" {
		conds = append(conds, l.where)
	}
	if l.status != "" {
		args = append(args, l.status)
		conds = append(conds, fmt.Sprintf("status = $%d", len(args)))
	}
	bound := func(cursor, param string, forward bool) error {
		if cursor == "" {
			return nil
		}
		seq, err := db.position(ctx, l, cursor)
		if errors.Is(err, sql.ErrNoRows) {
			return &understudy.Error{Kind: understudy.KindInvalid, Code: "invalid_value", Param: param,
				Message: fmt.Sprintf("Invalid '%s': no object with id '%s' in this list.", param, cursor)}
		}
		if err != nil {
			return err
		}
		op := " < "
		if forward == (p.Order == understudy.Asc) {
			op = " > "
		}
		args = append(args, seq)
		conds = append(conds, fmt.Sprintf("seq%s$%d", op, len(args)))
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(l.metadata)) {
		args = append(args, key, l.metadata[key])
		conds = append(conds, fmt.Sprintf("EXISTS (SELECT 1 FROM json_each(doc, '$.metadata') AS m WHERE m.key = $%d AND m.value = $%d)", len(args)-1, len(args)))
	}
	if err := bound(p.After, "after", true); err != nil {
		return nil, false, err
	}
	if err := bound(p.Before, "before", false); err != nil {
		return nil, false, err
	}
	// The page that ends just before an object is the nearest one looking back from it.
	backwards := p.Before != "" && p.After == ""
	dir := "DESC"
	if (p.Order == understudy.Asc) != backwards {
		dir = "ASC"
	}
	q := "SELECT doc FROM " + l.table
	if len(conds) > 0 {
		q += " WHERE " + strings.Join(conds, " AND ")
	}
	args = append(args, p.Limit+1)
	q += fmt.Sprintf(" ORDER BY seq %s LIMIT $%d", dir, len(args))
	all, err := documents[T](ctx, db, q, args...)
	if err != nil {
		return nil, false, err
	}
	more := len(all) > p.Limit
	if more {
		all = all[:p.Limit]
	}
	if backwards {
		slices.Reverse(all)
	}
	return all, more, nil
}

// position returns where an object stands in a listing, or where it stood
// before it was deleted.
func (db *DB) position(ctx context.Context, l listing, id string) (seq int64, err error) {
	cond := ""
	if l.where != "" {
		cond = " AND " + l.where
	}
	args := append(slices.Clone(l.args), id)
	err = one(ctx, db, fmt.Sprintf("SELECT seq FROM %s WHERE id = $%d%s", l.table, len(args), cond), args, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = one(ctx, db, "SELECT seq FROM deleted WHERE id = $1", []any{l.scope + id}, &seq)
	}
	return seq, err
}

// remove deletes an object, remembering where it stood. It returns
// [sql.ErrNoRows] if there is none.
func (t *tx) remove(ctx context.Context, table, id string) error {
	var seq int64
	if err := one(ctx, t, "SELECT seq FROM "+table+" WHERE id = $1", []any{id}, &seq); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "INSERT INTO deleted (id, seq) VALUES ($1, $2)", id, seq); err != nil {
		return err
	}
	_, err := t.exec(ctx, "DELETE FROM "+table+" WHERE id = $1", id)
	return err
}

// save replaces the document of an object.
func (t *tx) save(ctx context.Context, table, id string, v any) error {
	doc, err := encode(v)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE "+table+" SET doc = $1 WHERE id = $2", doc, id)
	return err
}
