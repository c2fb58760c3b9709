package dockerfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestADockerfileIsReadIntoStagesAndSteps(t *testing.T) {
	got, err := Parse(`# A comment
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG VERSION=v0
RUN --mount=type=cache,target=/a --mount=type=cache,target=/b \
    go build \
    # in between
    -o flotilla .

from scratch
COPY --from=build /src/flotilla /flotilla
`)
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]string{}
	want := []Stage{
		{Base: "golang:1.26", Name: "build", Steps: []Step{
			{Name: "ARG", Flags: none, Text: "VERSION=v0", Line: 3},
			{Name: "RUN", Flags: map[string]string{"mount": "type=cache,target=/b"}, Text: "go build -o flotilla .", Line: 4},
		}},
		{Base: "scratch", Steps: []Step{
			{Name: "COPY", Flags: map[string]string{"from": "build"}, Text: "/src/flotilla /flotilla", Line: 10},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotKnownIsRefusedWithItsLine(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"an instruction":         {text: "FROM scratch\nHEALTHCHECK NONE", want: "line 2: the instruction HEALTHCHECK is not known here"},
		"nothing":                {text: "# only a comment", want: "needs a FROM"},
		"no stage":               {text: "ARG A=b\nFROM scratch", want: "line 1: ARG before the first FROM"},
		"a FROM of four words":   {text: "FROM a AS b c", want: "line 1: FROM wants"},
		"an end within a step":   {text: "FROM scratch\nRUN a \\\n", want: "line 2: the file ends"},
		"a step without content": {text: "FROM scratch\nCOPY --from=a", want: "line 2: COPY says nothing"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestLabelsAreReadWithTheirVariables(t *testing.T) {
	cases := map[string]struct {
		text string
		want map[string]string
	}{
		"quoted and bare": {text: `a="two words" b=$ONE c="${ONE}x"`, want: map[string]string{"a": "two words", "b": "1", "c": "1x"}},
		"an empty value":  {text: `a="" b="$NONE"`, want: map[string]string{"a": "", "b": ""}},
		"without a value": {text: `a`},
		"never closed":    {text: `a="b`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Step{Name: "LABEL", Text: tc.text}.Pairs(map[string]string{"ONE": "1"})
			if (err != nil) != (tc.want == nil) {
				t.Fatalf("got error %v, want one: %t", err, tc.want == nil)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
		})
	}
}
