package understudy

// Numbers of results that a search may ask for, and gets if it does not ask.
const (
	MaxSearchResults     = 50
	DefaultSearchResults = 10
)

// SearchRequest asks for the chunks of files that say most about a question.
type SearchRequest struct {
	Queries        []string // one question, or several that are asked at once
	MaxResults     int      // 1 to [MaxSearchResults]
	Filter         *Filter  // which files are searched; nil: all
	Ranker         string   // "none", "auto" or a ranker's name, as the client gave it; may be empty
	ScoreThreshold float64  // results with a lower score are left out; 0 to 1
	RewriteQuery   bool     // whether the query may be rewritten before it is searched for
}

// SearchHit is a chunk that a search found.
type SearchHit struct {
	StoreID, FileID, Filename string
	Score                     float64 // 0 to 1; higher is better
	Attributes                Attributes
	Text                      string
}
