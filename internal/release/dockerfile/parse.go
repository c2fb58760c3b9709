package dockerfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// known are the instructions that somebody who executes a Dockerfile has to expect.
var known = []string{"ARG", "CMD", "COPY", "ENTRYPOINT", "LABEL", "RUN", "USER", "WORKDIR"}

// Stage is one FROM and what follows it.
type Stage struct {
	// Base is the image that the stage starts from; scratch is the empty one.
	Base string
	// Name is what COPY --from calls the stage; empty for one without AS.
	Name string
	// Steps are the instructions behind the FROM, in order.
	Steps []Step
}

// Step is one instruction.
type Step struct {
	// Name is the instruction in upper case, for example COPY: one of those that this package knows.
	Name string
	// Flags are its options without dashes, for example from. Of those that repeat, the last one counts.
	Flags map[string]string
	// Text is the rest, with continued lines joined by a space.
	Text string
	// Line is where it begins in the file; the first line is 1.
	Line int
}

// Parse reads a Dockerfile. An instruction that this package does not know is an error that names its line.
func Parse(text string) ([]Stage, error) {
	var stages []Stage
	steps, err := split(text)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		switch {
		case step.Name == "FROM":
			words := strings.Fields(step.Text)
			stage := Stage{Base: words[0]}
			if len(words) == 3 && strings.EqualFold(words[1], "AS") {
				stage.Name = words[2]
			} else if len(words) != 1 {
				return nil, fmt.Errorf("line %d: FROM wants IMAGE or IMAGE AS NAME", step.Line)
			}
			stages = append(stages, stage)
		case !slices.Contains(known, step.Name):
			return nil, fmt.Errorf("line %d: the instruction %s is not known here", step.Line, step.Name)
		case len(stages) == 0:
			return nil, fmt.Errorf("line %d: %s before the first FROM", step.Line, step.Name)
		default:
			last := &stages[len(stages)-1]
			last.Steps = append(last.Steps, step)
		}
	}
	if len(stages) == 0 {
		return nil, errors.New("a Dockerfile needs a FROM")
	}
	return stages, nil
}

// split makes steps of lines: comments go, continued lines are joined, flags are taken apart.
func split(text string) ([]Step, error) {
	var steps []Step
	var joined string
	start := 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if joined == "" {
			start = i + 1
		}
		rest, continued := strings.CutSuffix(line, `\`)
		joined += strings.TrimSpace(rest) + " "
		if continued {
			continue
		}
		step, err := newStep(joined, start)
		if err != nil {
			return nil, err
		}
		steps, joined = append(steps, step), ""
	}
	if joined != "" {
		return nil, fmt.Errorf("line %d: the file ends within an instruction", start)
	}
	return steps, nil
}

func newStep(text string, line int) (Step, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	step := Step{Name: strings.ToUpper(name), Flags: map[string]string{}, Line: line}
	for rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "--"); {
		var flag string
		flag, rest, _ = strings.Cut(rest, " ")
		key, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		step.Flags[key] = value
		rest = strings.TrimSpace(rest)
	}
	if rest == "" {
		return Step{}, fmt.Errorf("line %d: %s says nothing", line, step.Name)
	}
	step.Text = rest
	return step, nil
}

// List reads a text such as ["/flotilla", "manager"], the form without a shell of ENTRYPOINT and CMD.
func (s Step) List() ([]string, error) {
	var words []string
	if err := json.Unmarshal([]byte(s.Text), &words); err != nil {
		return nil, fmt.Errorf("line %d: %s wants a list of quoted words: %w", s.Line, s.Name, err)
	}
	return words, nil
}

// Pairs reads the KEY="VALUE" KEY=VALUE of LABEL, after variables have been replaced.
func (s Step) Pairs(variables map[string]string) (map[string]string, error) {
	pairs := map[string]string{}
	for rest := s.Text; rest != ""; {
		key, tail, complete := strings.Cut(rest, "=")
		value, after, _ := strings.Cut(tail, " ")
		if quoted, ok := strings.CutPrefix(tail, `"`); ok {
			value, after, complete = strings.Cut(quoted, `"`)
		}
		if !complete || key == "" {
			return nil, fmt.Errorf("line %d: %s wants KEY=\"VALUE\", got %q", s.Line, s.Name, rest)
		}
		pairs[key] = Expand(value, variables)
		rest = strings.TrimSpace(after)
	}
	return pairs, nil
}

// Expand replaces $NAME and ${NAME}. A name without a value becomes empty, as Docker has it.
func Expand(text string, variables map[string]string) string {
	return os.Expand(text, func(name string) string { return variables[name] })
}
