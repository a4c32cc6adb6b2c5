package understudy

// Order is the direction of a listing by creation.
type Order string

// The two directions of a listing. Desc, newest first, is the default.
const (
	Asc  Order = "asc"
	Desc Order = "desc"
)

// Page selects a part of a listing. After and Before are identifiers of
// objects in it, both exclusive and both in the listing's own order: Before
// asks for the page that ends just before that object.
type Page struct {
	Limit  int
	Order  Order
	After  string
	Before string
}

// List is one page of objects on the wire.
type List[T any] struct {
	Object  string  `json:"object"`
	Data    []T     `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

// NewList makes the wire form of a page. id tells an element's identifier.
func NewList[T any](data []T, hasMore bool, id func(T) string) List[T] {
	l := List[T]{Object: "list", Data: data, HasMore: hasMore}
	if data == nil {
		l.Data = []T{}
	}
	if n := len(data); n > 0 {
		first, last := id(data[0]), id(data[n-1])
		l.FirstID, l.LastID = &first, &last
	}
	return l
}

// Deleted is the answer to a deletion.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}
