//go:build tools

// Package tools names the programs that this module exists to build.
package tools

import (
	_ "tailscale.com/cmd/derper"
	_ "tailscale.com/cmd/tailscaled"
)
