package crdcompat

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Breaks lists, in sentences, what of the old definition the new one no longer takes or keeps; nothing when they are compatible.
func Breaks(before, after *apiextensionsv1.CustomResourceDefinition) []string {
	var c comparison
	c.differ("the group", before.Spec.Group, after.Spec.Group)
	c.differ("the plural", before.Spec.Names.Plural, after.Spec.Names.Plural)
	c.differ("the kind", before.Spec.Names.Kind, after.Spec.Names.Kind)
	c.differ("the scope", before.Spec.Scope, after.Spec.Scope)
	for _, old := range before.Spec.Versions {
		i := slices.IndexFunc(after.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == old.Name })
		if i < 0 || old.Served && !after.Spec.Versions[i].Served {
			c.add("version %s is not served any more", old.Name)
			continue
		}
		if old.Schema == nil || after.Spec.Versions[i].Schema == nil {
			continue
		}
		c.schema(old.Name, old.Schema.OpenAPIV3Schema, after.Spec.Versions[i].Schema.OpenAPIV3Schema)
	}
	return c.found
}

// comparison collects what breaks.
type comparison struct{ found []string }

func (c *comparison) add(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

func (c *comparison) differ(what string, before, after any) {
	if before != after {
		c.add("%s was %v and is %v", what, before, after)
	}
}

func (c *comparison) schema(path string, before, after *apiextensionsv1.JSONSchemaProps) {
	if before == nil || after == nil {
		if before != nil {
			c.add("%s is gone", path)
		}
		return
	}
	c.kind(path, before, after)
	c.values(path, before, after)
	c.bounds(path, before, after)
	c.rules(path, before, after)
	for name := range before.Properties {
		inner, found := after.Properties[name]
		if !found {
			c.add("%s.%s is gone", path, name)
			continue
		}
		old := before.Properties[name]
		c.schema(path+"."+name, &old, &inner)
	}
	if before.Items != nil && after.Items != nil {
		c.schema(path+"[]", before.Items.Schema, after.Items.Schema)
	}
	if before.AdditionalProperties != nil && after.AdditionalProperties != nil {
		c.schema(path+"{}", before.AdditionalProperties.Schema, after.AdditionalProperties.Schema)
	}
	slices.Sort(c.found)
}

// kind compares what a value is, and how lists and maps are merged.
func (c *comparison) kind(path string, before, after *apiextensionsv1.JSONSchemaProps) {
	c.differ(path+": the type", before.Type, after.Type)
	c.differ(path+": int or string", before.XIntOrString, after.XIntOrString)
	c.differ(path+": the list type", deref(before.XListType), deref(after.XListType))
	c.differ(path+": the map type", deref(before.XMapType), deref(after.XMapType))
	if !slices.Equal(before.XListMapKeys, after.XListMapKeys) {
		c.add("%s: the list's keys were %v and are %v", path, before.XListMapKeys, after.XListMapKeys)
	}
	if before.Nullable && !after.Nullable {
		c.add("%s may not be null any more", path)
	}
	if deref(before.XPreserveUnknownFields) && !deref(after.XPreserveUnknownFields) {
		c.add("%s drops fields that are not known", path)
	}
}

// values compares which values are taken.
func (c *comparison) values(path string, before, after *apiextensionsv1.JSONSchemaProps) {
	for _, name := range after.Required {
		if !slices.Contains(before.Required, name) {
			c.add("%s.%s is required now", path, name)
		}
	}
	if len(after.Enum) > 0 && len(before.Enum) == 0 {
		c.add("%s takes only some values now", path)
	}
	for _, value := range before.Enum {
		if len(after.Enum) > 0 && !slices.ContainsFunc(after.Enum, func(v apiextensionsv1.JSON) bool { return bytes.Equal(v.Raw, value.Raw) }) {
			c.add("%s does not take %s any more", path, value.Raw)
		}
	}
	if after.Pattern != "" && after.Pattern != before.Pattern {
		c.add("%s: the pattern was %q and is %q", path, before.Pattern, after.Pattern)
	}
	if after.Format != "" && after.Format != before.Format {
		c.add("%s: the format was %q and is %q", path, before.Format, after.Format)
	}
}

// bounds compares lengths and amounts.
func (c *comparison) bounds(path string, before, after *apiextensionsv1.JSONSchemaProps) {
	upper(c, path+": the greatest value", before.Maximum, after.Maximum)
	upper(c, path+": the greatest length", before.MaxLength, after.MaxLength)
	upper(c, path+": the greatest number of items", before.MaxItems, after.MaxItems)
	upper(c, path+": the greatest number of entries", before.MaxProperties, after.MaxProperties)
	lower(c, path+": the least value", before.Minimum, after.Minimum)
	lower(c, path+": the least length", before.MinLength, after.MinLength)
	lower(c, path+": the least number of items", before.MinItems, after.MinItems)
	lower(c, path+": the least number of entries", before.MinProperties, after.MinProperties)
}

// rules compares CEL rules: one that was not there may refuse what was taken.
func (c *comparison) rules(path string, before, after *apiextensionsv1.JSONSchemaProps) {
	for _, rule := range after.XValidations {
		if !slices.ContainsFunc(before.XValidations, func(old apiextensionsv1.ValidationRule) bool { return old.Rule == rule.Rule }) {
			c.add("%s has a new rule: %s", path, rule.Rule)
		}
	}
}

func upper[N cmp.Ordered](c *comparison, what string, before, after *N) {
	if after != nil && (before == nil || *after < *before) {
		c.add("%s was %s and is %v", what, text(before), *after)
	}
}

func lower[N cmp.Ordered](c *comparison, what string, before, after *N) {
	if after != nil && (before == nil || *after > *before) {
		c.add("%s was %s and is %v", what, text(before), *after)
	}
}

func text[N cmp.Ordered](bound *N) string {
	if bound == nil {
		return "not bounded"
	}
	return fmt.Sprint(*bound)
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
