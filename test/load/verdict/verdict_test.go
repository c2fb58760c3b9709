package verdict

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	settings = Key{"ConfigMap", "load", "settings"}
	web      = Key{"Deployment", "load", "web"}
	shop     = Key{"Deployment", "load", "shop"}
	gone     = Key{"ConfigMap", "load", "gone"}
)

// sound is a picture in which everything agrees: a ConfigMap that goes to two of three members, one of which has a foreign object of
// its name, a duplicated and a divided Deployment.
func sound() Picture {
	mine := func(content string, replicas int32) Object {
		return Object{UID: "u", Version: "1", Content: content, Replicas: replicas, Ours: true}
	}
	foreign := Object{UID: "f", Version: "7", Content: "theirs"}
	all := []string{"member1", "member2", "member3"}
	return Picture{
		Wanted: map[Key]Template{
			settings: {Content: "s@1", Members: all[:2], Taken: all[1:2]},
			web:      {Content: "w@2", Replicas: 2, Members: all},
			shop:     {Content: "d@3", Replicas: 5, Divided: true, Members: all},
		},
		Templates: map[Key]Object{settings: mine("s@1", 0), web: mine("w@2", 2), shop: mine("d@3", 5)},
		Bindings: []Binding{
			{Name: "load/settings", Template: settings, Clusters: map[string]int32{"member1": 0, "member2": 0}},
			{Name: "load/web", Template: web, Clusters: map[string]int32{"member1": 2, "member2": 2, "member3": 2}},
			{Name: "load/shop", Template: shop, Clusters: map[string]int32{"member1": 3, "member3": 1}, Pending: 1},
		},
		Members: map[string]map[Key]Object{
			"member1": {settings: mine("s@1", 0), web: mine("w@2", 2), shop: mine("d@3", 3)},
			"member2": {settings: foreign, web: mine("w@2", 2)},
			"member3": {web: mine("w@2", 2), shop: mine("d@3", 1)},
		},
		Foreign: map[string]map[Key]Object{"member2": {settings: foreign}},
	}
}

// change changes one object of a member.
func change(member string, key Key, how func(*Object)) func(*Picture) {
	return func(p *Picture) {
		object := p.Members[member][key]
		how(&object)
		p.Members[member][key] = object
	}
}

func TestJudge(t *testing.T) {
	cases := map[string]struct {
		harm func(*Picture)
		want []string
	}{
		"finds nothing where all agree": {harm: func(*Picture) {}},
		"finds a template that the host lost": {
			harm: func(p *Picture) { delete(p.Templates, web) },
			want: []string{"Deployment load/web was acknowledged, and the host has lost it."},
		},
		"finds a template that is older than what was acknowledged": {
			harm: func(p *Picture) { p.Templates[web] = Object{Content: "w@1", Replicas: 2} },
			want: []string{"Deployment load/web was acknowledged with w@2 with 2 replicas, and the host holds w@1 with 2 replicas."},
		},
		"finds a template that came back": {
			harm: func(p *Picture) { p.Templates[gone] = Object{Content: "g@1"} },
			want: []string{"ConfigMap load/gone was deleted, and the host still holds it."},
		},
		"finds a template without a binding": {
			harm: func(p *Picture) { p.Bindings = p.Bindings[1:] },
			want: []string{"ConfigMap load/settings has no binding."},
		},
		"finds two bindings for one template": {
			harm: func(p *Picture) {
				p.Bindings = append(p.Bindings, Binding{Name: "load/again", Template: settings, Clusters: p.Bindings[0].Clusters})
			},
			want: []string{"ConfigMap load/settings has 2 bindings: load/again, load/settings."},
		},
		"finds a binding without a template": {
			harm: func(p *Picture) { p.Bindings = append(p.Bindings, Binding{Name: "load/gone", Template: gone}) },
			want: []string{"Binding load/gone is there without its template, ConfigMap load/gone."},
		},
		"finds a binding that is being deleted": {
			harm: func(p *Picture) { p.Bindings[0].Deleting = true },
			want: []string{"Binding load/settings is being deleted, and its template is wanted."},
		},
		"finds a cluster that is still retained": {
			harm: func(p *Picture) { p.Bindings[1].Retained = []string{"member2"} },
			want: []string{"Binding load/web still retains member2."},
		},
		"finds a decision for a cluster that the policy does not name": {
			harm: func(p *Picture) { p.Bindings[0].Clusters["member3"] = 0 },
			want: []string{"ConfigMap load/settings was decided for member3, which its policy does not name."},
		},
		"finds a decision without a cluster that the policy names": {
			harm: func(p *Picture) { delete(p.Bindings[1].Clusters, "member3") },
			want: []string{"Deployment load/web was not decided for member3, which its policy names."},
		},
		"finds a duplicated decision with other replicas": {
			harm: func(p *Picture) { p.Bindings[1].Clusters["member3"] = 1 },
			want: []string{"Deployment load/web was decided for member3 with 1 replicas, want 2."},
		},
		"finds a sum that does not hold": {
			harm: func(p *Picture) { p.Bindings[2].Pending = 0 },
			want: []string{"Deployment load/shop asks for 5 replicas, and 4 are decided with 0 pending."},
		},
		"finds a divided replica that a member does not have": {
			harm: change("member1", shop, func(o *Object) { o.Replicas = 2 }),
			want: []string{"Deployment load/shop in member1 holds d@3 with 2 replicas, want d@3 with 3 replicas."},
		},
		"finds an object that a member lost": {
			harm: func(p *Picture) { delete(p.Members["member3"], web) },
			want: []string{"Deployment load/web is missing in member3."},
		},
		"finds old content in a member": {
			harm: change("member1", settings, func(o *Object) { o.Content = "s@0" }),
			want: []string{"ConfigMap load/settings in member1 holds s@0, want s@1."},
		},
		"finds lost marks": {
			harm: change("member1", web, func(o *Object) { o.Ours = false }),
			want: []string{"Deployment load/web in member1 has lost the marks of the host."},
		},
		"finds an orphan of a template that is gone": {
			harm: func(p *Picture) { p.Members["member2"][gone] = Object{Content: "g@1", Ours: true} },
			want: []string{"ConfigMap load/gone is an orphan in member2."},
		},
		"finds an orphan of a template that goes elsewhere": {
			harm: func(p *Picture) { p.Members["member3"][settings] = Object{Content: "s@1", Ours: true} },
			want: []string{"ConfigMap load/settings is an orphan in member3."},
		},
		"finds an orphan of a divided template that has left": {
			harm: func(p *Picture) { p.Members["member2"][shop] = Object{Content: "d@3", Replicas: 1, Ours: true} },
			want: []string{"Deployment load/shop is an orphan in member2."},
		},
		"finds a foreign object that was deleted": {
			harm: func(p *Picture) { delete(p.Members["member2"], settings) },
			want: []string{"The foreign ConfigMap load/settings in member2 was deleted."},
		},
		"finds a foreign object that was replaced": {
			harm: change("member2", settings, func(o *Object) { o.UID = "other" }),
			want: []string{"The foreign ConfigMap load/settings in member2 was replaced."},
		},
		"finds a foreign object that was written to": {
			harm: change("member2", settings, func(o *Object) { o.Version = "8" }),
			want: []string{"The foreign ConfigMap load/settings in member2 was changed, from version 7 to 8."},
		},
		"finds a foreign object that was taken over": {
			harm: change("member2", settings, func(o *Object) { o.Version, o.Ours = "8", true }),
			want: []string{
				"ConfigMap load/settings is an orphan in member2.",
				"The foreign ConfigMap load/settings in member2 was changed, from version 7 to 8.",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := sound()
			tc.harm(&p)
			if diff := cmp.Diff(tc.want, Judge(p)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAMemberThatHoldsNothingIsFound(t *testing.T) {
	p := sound()
	p.Members = maps.Clone(p.Members)
	p.Members["member3"] = nil
	want := []string{"Deployment load/shop is missing in member3.", "Deployment load/web is missing in member3."}
	if diff := cmp.Diff(want, Judge(p)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
