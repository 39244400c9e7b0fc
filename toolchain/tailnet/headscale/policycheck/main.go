// Command policycheck judges a tailnet policy as Tailscale's API does, with headscale's own policy engine. Unlike headscale it needs no
// devices for that: each user and each tag that the policy names stands for one.
//
// It reads the policy, HuJSON, from stdin and prints one JSON object, see verdict.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	policy "github.com/juanfont/headscale/hscontrol/policy/v2"
	"github.com/juanfont/headscale/hscontrol/types"
	"github.com/rs/zerolog"
	"github.com/tailscale/hujson"
	"gorm.io/gorm"
)

// verdict is what the lab needs to know of a policy.
type verdict struct {
	// JSON is the policy without comments.
	JSON json.RawMessage `json:"json,omitempty"`
	// Served is the policy as headscale gets it: without tests, and with the lab's administrator for Tailscale's roles.
	Served string `json:"served,omitempty"`
	// Error says why it is no valid policy; empty if it is one.
	Error string `json:"error,omitempty"`
	// Failures are the tests that fail, by the user whom they are about.
	Failures []failure `json:"failures"`
	// Users are all that the policy names.
	Users []string `json:"users"`
}

type failure struct {
	User   string   `json:"user"`
	Errors []string `json:"errors"`
}

func main() {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: policycheck ADMINISTRATOR <policy")
		os.Exit(2)
	}
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(judge(text, os.Args[1]))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "policycheck: %v\n", err)
		os.Exit(1)
	}
}

func judge(text []byte, administrator string) verdict {
	result := verdict{Failures: []failure{}, Users: []string{}}
	standard, err := hujson.Standardize(text)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	var fields map[string]any
	if err := json.Unmarshal(standard, &fields); err != nil {
		result.Error = err.Error()
		return result
	}
	result.JSON = standard
	for _, role := range []string{"admin", "owner", "it-admin", "network-admin"} {
		replace(fields, "autogroup:"+role, administrator)
	}
	tests, _ := fields["tests"].([]any)
	delete(fields, "tests")
	served := pack(fields)
	names := collect(fields, collect(tests, nil))
	users, nodes := inhabit(names)
	manager, err := policy.NewPolicyManager(served, users, nodes.ViewSlice())
	if err != nil {
		result.Error = err.Error()
		return result
	}
	for _, test := range tests {
		fields["tests"] = []any{test}
		if _, err := manager.SetPolicy(pack(fields)); err != nil {
			result.Failures = append(result.Failures, explain(test, err))
		}
	}
	result.Served = string(served)
	for _, user := range users {
		result.Users = append(result.Users, user.Email)
	}
	return result
}

func pack(fields map[string]any) []byte {
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		panic(err) // it was JSON before
	}
	return text
}

// explain says in Tailscale's words what a test found.
func explain(test any, err error) failure {
	fields, _ := test.(map[string]any)
	source, _ := fields["src"].(string)
	found := failure{User: source}
	for _, line := range strings.Split(err.Error(), "\n") {
		line = strings.TrimPrefix(line, source+" -> ")
		if address, ok := strings.CutSuffix(line, ": expected ALLOWED, got DENIED"); ok {
			line = fmt.Sprintf("address %q: want: Accept, got: Drop", address)
		} else if address, ok := strings.CutSuffix(line, ": expected DENIED, got ALLOWED"); ok {
			line = fmt.Sprintf("address %q: want: Drop, got: Accept", address)
		}
		if line != "test(s) failed:" && line != "" {
			found.Errors = append(found.Errors, line)
		}
	}
	return found
}

// replace puts one string in the place of another, at any depth.
func replace(value any, old, new string) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			value[key] = replace(inner, old, new)
		}
	case []any:
		for index, inner := range value {
			value[index] = replace(inner, old, new)
		}
	case string:
		if value == old {
			return new
		}
	}
	return value
}

// collect gathers the users and tags that a policy names, as keys or values, with or without a port.
func collect(value any, names []string) []string {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			names = collect(inner, collect(key, names))
		}
	case []any:
		for _, inner := range value {
			names = collect(inner, names)
		}
	case string:
		name := value
		if parts := strings.Split(value, ":"); strings.HasPrefix(value, "tag:") {
			name = strings.Join(parts[:2], ":")
		} else if strings.Contains(value, "@") {
			name = parts[0]
		} else {
			return names
		}
		if !strings.ContainsAny(name, "* ") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// inhabit makes a device for each user and each tag.
func inhabit(names []string) (users []types.User, nodes types.Nodes) {
	slices.Sort(names)
	for index, name := range names {
		four := netip.AddrFrom4([4]byte{100, 64, byte(index >> 8), byte(index)})
		six := netip.AddrFrom16([16]byte{0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 14: byte(index >> 8), 15: byte(index)})
		node := types.Node{ID: types.NodeID(index + 1), Hostname: name, IPv4: &four, IPv6: &six}
		if strings.HasPrefix(name, "tag:") {
			node.Tags = types.Strings{name}
		} else {
			user := types.User{Model: gorm.Model{ID: uint(index + 1)}, Name: name, Email: name}
			users = append(users, user)
			node.User, node.UserID = &user, &user.ID
		}
		nodes = append(nodes, &node)
	}
	return users, nodes
}
