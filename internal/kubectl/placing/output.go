package placing

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"
)

// outputs are the formats of explain and simulate.
const outputs = "table, json or yaml"

// checkOutput refuses a format before anything is read.
func checkOutput(output string) error {
	switch output {
	case "", "table", "json", "yaml":
		return nil
	}
	return fmt.Errorf("unknown output format %q: use %s", output, outputs)
}

// printAs prints a value as JSON or YAML, or lets table print it for people.
func printAs(out io.Writer, output string, value any, table func(io.Writer) error) error {
	if output == "" || output == "table" {
		return table(out)
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil && output == "yaml" {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("preparing the output: %w", err)
	}
	_, err = fmt.Fprintln(out, strings.TrimSuffix(string(text), "\n"))
	return err
}

// column is a column of a table.
type column[row any] struct {
	title string
	cell  func(row) string // empty for nothing to say
	// always shows the column also when no row has anything to say in it.
	always bool
}

// printColumns prints a table without the columns in which no row says anything.
func printColumns[row any](out io.Writer, columns []column[row], rows []row) error {
	table := printers.GetNewTabWriter(out)
	var shown []column[row]
	for _, c := range columns {
		says := c.always
		for i := 0; i < len(rows) && !says; i++ {
			says = c.cell(rows[i]) != ""
		}
		if says {
			shown = append(shown, c)
		}
	}
	lines := make([][]string, len(rows)+1)
	for _, c := range shown {
		lines[0] = append(lines[0], c.title)
		for i := range rows {
			cell := c.cell(rows[i])
			if cell == "" {
				cell = "-"
			}
			lines[i+1] = append(lines[i+1], cell)
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(table, strings.Join(line, "\t")); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func numberText(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

func countText(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// placementColumns are what explain and simulate show of clusters.
func placementColumns() []column[ClusterPlacement] {
	return []column[ClusterPlacement]{
		{title: "CLUSTER", cell: func(p ClusterPlacement) string { return p.Cluster }, always: true},
		{title: "CHOSEN", cell: func(p ClusterPlacement) string { return yesNo(p.Chosen) }, always: true},
		{title: "BEFORE", cell: func(p ClusterPlacement) string { return numberText(p.Before) }},
		{title: "NOW", cell: func(p ClusterPlacement) string { return numberText(p.Replicas) }},
		{title: "GROUP", cell: func(p ClusterPlacement) string { return p.Group }},
		{title: "TIER", cell: func(p ClusterPlacement) string {
			if p.Tier == 0 {
				return ""
			}
			return strconv.Itoa(p.Tier)
		}},
		{title: "WEIGHT", cell: func(p ClusterPlacement) string {
			if p.Weight == 0 {
				return ""
			}
			return strconv.FormatInt(p.Weight, 10)
		}},
		{title: "ROOM", cell: func(p ClusterPlacement) string { return numberText(p.Room) }},
		{title: "APPLIED", cell: func(p ClusterPlacement) string { return p.AppliedReason }},
		{title: "HEALTH", cell: func(p ClusterPlacement) string { return string(p.Health) }},
		{title: "RULE", cell: func(p ClusterPlacement) string { return p.Rule }, always: true},
		{title: "WHY", cell: func(p ClusterPlacement) string { return p.Message }, always: true},
		{title: "TO CHANGE IT", cell: func(p ClusterPlacement) string { return p.Hint }},
	}
}
