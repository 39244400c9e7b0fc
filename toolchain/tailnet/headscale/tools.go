//go:build tools

// Package tools names the program that this module exists to build; policycheck/ is its own.
package tools

import _ "github.com/juanfont/headscale/cmd/headscale"
