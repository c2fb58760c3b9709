package repository

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The budgets of CONTRIBUTING.md, in lines.
const (
	maxFileLines    = 500
	maxTestLines    = 1000
	maxPackageLines = 2500
)

// root is the top of the repository, seen from this package.
const root = "../.."

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// sourceFile is one Go file that people write.
type sourceFile struct {
	path  string // relative to root
	lines int
	text  []byte
}

func (f sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// sourceFiles returns every hand-written Go file of the repository.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || generated.Match(text) {
			return err
		}
		relative, err := filepath.Rel(root, path)
		files = append(files, sourceFile{path: relative, lines: bytes.Count(text, []byte("\n")), text: text})
		return err
	})
	if err != nil {
		t.Fatalf("walk the repository: %v", err)
	}
	if len(files) == 0 {
		t.Fatal("found no Go files: the walk looks in the wrong place")
	}
	return files
}

func TestFilesAndPackagesStayWithinTheirBudgets(t *testing.T) {
	packages := map[string]int{}
	for _, file := range sourceFiles(t) {
		budget := maxFileLines
		if file.isTest() {
			budget = maxTestLines
		} else {
			packages[filepath.Dir(file.path)] += file.lines
		}
		if file.lines > budget {
			t.Errorf("%s has %d lines, the budget is %d: split it by what it does", file.path, file.lines, budget)
		}
	}
	for name, lines := range packages {
		// An API version is one package by nature, and most of its lines are the users' documentation.
		if lines > maxPackageLines && !strings.HasPrefix(name, "api/") {
			t.Errorf("package %s has %d lines, the budget is %d", name, lines, maxPackageLines)
		}
	}
}

func TestPackagesAndFilesAreNamedForWhatTheyDo(t *testing.T) {
	vague := regexp.MustCompile(`(^|[/_])(utils?|helpers?|common|misc)([/_.]|$)`)
	for _, file := range sourceFiles(t) {
		if vague.MatchString(file.path) {
			t.Errorf("%s: name it for the question it answers", file.path)
		}
	}
}

func TestEveryPackageExplainsItselfInDocGo(t *testing.T) {
	explained := map[string]bool{}
	isMain := regexp.MustCompile(`(?m)^package main$`)
	for _, file := range sourceFiles(t) {
		folder := filepath.Dir(file.path)
		switch {
		case file.isTest(), isMain.Match(file.text): // a command explains itself in main.go
		case filepath.Base(file.path) == "doc.go" && bytes.HasPrefix(file.text, []byte("//")):
			explained[folder] = true
		default:
			explained[folder] = explained[folder] || false
		}
	}
	for folder, ok := range explained {
		if !ok {
			t.Errorf("%s has no doc.go that says what it answers, reads, writes and owns", folder)
		}
	}
}

func TestEveryMakeTargetHasAHelpText(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)^\.PHONY: (.+)$`).FindAllSubmatch(text, -1)
	if len(targets) == 0 {
		t.Fatal("found no target in the Makefile")
	}
	for _, target := range targets {
		documented := regexp.MustCompile(`(?m)^` + string(target[1]) + `:.* ## \S`)
		if !documented.Match(text) {
			t.Errorf("make %s has no help text", target[1])
		}
	}
}
