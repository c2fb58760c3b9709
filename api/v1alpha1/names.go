package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxBindingName leaves room for the hash within the 253 characters of an object name.
const maxBindingName = 253

// unnameable is what becomes a dash in the name of a binding: a template's name may hold characters that an object
// name in general cannot (those of RBAC objects nearly any).
var unnameable = regexp.MustCompile(`[^a-z0-9]+`)

// BindingName is the name of the binding of a template. It is readable ("web-deployment-1f3a5c79") and,
// because it ends in a hash of group, kind and name, two templates of one namespace never share it.
func BindingName(group, kind, name string) string {
	sum := sha256.Sum256([]byte(group + "/" + kind + "/" + name))
	suffix := "-" + hex.EncodeToString(sum[:4])
	readable := unnameable.ReplaceAllString(strings.ToLower(name+"-"+kind), "-")
	if room := maxBindingName - len(suffix); len(readable) > room {
		readable = readable[:room]
	}
	return strings.Trim(readable, "-") + suffix
}
