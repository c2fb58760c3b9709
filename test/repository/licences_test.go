package repository

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// permissive lists phrases that identify the licences whose code may be linked into the binary.
// A licence text that matches none of them needs a person's decision, and then an entry here.
var permissive = map[string]string{
	"Apache-2.0": "apache license",
	"MIT":        "permission is hereby granted, free of charge",
	"BSD":        "redistribution and use in source and binary forms",
	"ISC":        "permission to use, copy, modify, and/or distribute this software",
	"MPL-2.0":    "mozilla public license", // file-level copyleft: fine while the files stay unchanged
}

func TestEveryLinkedModuleHasAPermissiveLicence(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", ".")
	list.Dir = root
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		t.Fatalf("list the modules of the binary: %v", err)
	}
	folders := map[string]string{}
	for line := range strings.Lines(string(output)) {
		if path, folder, found := strings.Cut(strings.TrimSpace(line), " "); found {
			folders[path] = folder
		}
	}
	for module, folder := range folders {
		text := licenceText(t, folder)
		if text == "" {
			t.Errorf("%s carries no licence file", module)
			continue
		}
		if !isPermissive(text) {
			t.Errorf("%s has a licence that is not on the list of permissive ones: %s", module, folder)
		}
	}
}

// licenceText returns the lower-cased licence files at the top of a module, with single spaces.
func licenceText(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, entry := range entries {
		name := strings.ToLower(entry.Name())
		isLicence := strings.HasPrefix(name, "licen") || strings.HasPrefix(name, "copying")
		if !isLicence || entry.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(content)
	}
	return strings.Join(strings.Fields(strings.ToLower(text.String())), " ")
}

func isPermissive(text string) bool {
	for _, phrase := range permissive {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}
