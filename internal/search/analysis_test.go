package search

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// termsOf returns which of the candidates are terms of the text. Candidates are
// written as they are folded.
func termsOf(text string, query bool, candidates ...string) map[string]int {
	names := map[term]string{}
	for _, c := range candidates {
		names[hash([]byte(c))] = c
	}
	found := map[string]int{}
	a := analyzer{query: query, emit: func(t term, _ role) {
		name, ok := names[t]
		if !ok {
			name = "?"
		}
		found[name]++
	}}
	a.analyze(text)
	return found
}

func TestAnalyze(t *testing.T) {
	tests := []struct {
		text, index string // folded terms, with spaces between
	}{
		{"", ""},
		{"  ,;- ...", ""},
		{"The cat. THE cat", "the the cat cat"},
		{"AÇÃO ação Acao", "acao acao acao"},
		{"Ｆｕｌｌ ﬁle Straße ΟΔΟΣ οδός Łódź Ærø", "full file strasse οδοσ οδοσ lodz aero"},
		{"don't l'été", "don t l ete"},
		{"getUserName", "getusername get user name"},
		{"HTTPServer2", "httpserver2 http server2"},
		{"max_chunk__size_", "max_chunk__size max chunk size"},
		{"os.path.join(x)", "os.path.join os path join x"},
		{"well-known", "well-known well known"},
		{"v1.2.3, 1,000,000 and 3.14", "v1.2.3 v1 2 3 1,000,000 1 000 000 and 3.14 3 14"},
		{"one,two", "one two"},
		{"end.", "end"},
		{"x² ①", "x2 1"},
		{"inter\u00adnational", "international"},
		{"été\u0301", "ete"},
		{"Ёлка йод", "елка иод"},
		{"مُحَمَّد", "محمد"},
		{"हिन्दी", "हिन्दी"},
		{"한국어", "한국어"},
		{"検索", "検索 検 索"},
		{"語", "語"},
		{"検索エンジン", "検索 索エ エン ンジ ジン 検 索"},
		{"ｶﾞｷﾞ", "ガギ"},
		{"データ", "デー ータ"},
		{"สวัสดี", "สว วั ัส สด ดี"},
		{"2024年 GPT模型", "2024 年 gpt 模型 模 型"},
	}
	for _, tt := range tests {
		want := map[string]int{}
		for c := range strings.FieldsSeq(tt.index) {
			want[c]++
		}
		if diff := cmp.Diff(want, termsOf(tt.text, false, strings.Fields(tt.index)...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestAnalyzeQuery(t *testing.T) {
	tests := []struct {
		text, want string
	}{
		{"検索", "検索"},
		{"語", "語"},
		{"Get_user", "get_user get user"},
	}
	for _, tt := range tests {
		want := map[string]int{}
		for c := range strings.FieldsSeq(tt.want) {
			want[c]++
		}
		if diff := cmp.Diff(want, termsOf(tt.text, true, strings.Fields(tt.want)...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

// FuzzAnalyze checks that what a query asks for is what a document with the same
// text has.
func FuzzAnalyze(f *testing.F) {
	f.Add("getUserName v1.2 ação 検索エンジン ｶﾞ สวัสดี")
	f.Add("a\u0301\u0327\xff_.-,\u00ad語ー")
	f.Fuzz(func(t *testing.T, text string) {
		var roles [2]map[term]bool
		for i := range roles {
			roles[i] = map[term]bool{}
			a := analyzer{query: i == 0, emit: func(t term, _ role) { roles[i][t] = true }}
			a.analyze(text)
		}
		for term := range roles[0] {
			if !roles[1][term] {
				t.Errorf("a query for %q asks for what a document of it has not", text)
			}
		}
	})
}
