// Command tailscalego drives the tailnet of a lab with Tailscale's own Go client.
//
//	tailscalego check            goes through the API and says for each step whether it went as it would there
//	tailscalego key [TAG...]     prints a new single-use auth key
//	tailscalego acl <FILE        puts a policy in force
//	tailscalego delete NAME      deletes a device
//
// Environment: LAB_URL, LAB_API_KEY, LAB_CLIENT_ID, LAB_CLIENT_SECRET.
package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"tailscale.com/client/tailscale/v2"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := clientFor(os.Getenv("LAB_API_KEY"))
	command, args := "", []string{}
	if len(os.Args) > 1 {
		command, args = os.Args[1], os.Args[2:]
	}
	if err := do(ctx, client, command, args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func do(ctx context.Context, client *tailscale.Client, command string, args []string) error {
	switch command {
	case "check":
		return check(ctx, client)
	case "key":
		key, err := client.Keys().CreateAuthKey(ctx, keyRequest(args))
		if err == nil {
			fmt.Println(key.Key)
		}
		return err
	case "acl":
		policy, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		return client.PolicyFile().Set(ctx, string(policy), "")
	case "delete":
		return deleteDevice(ctx, client, args[0])
	}
	return fmt.Errorf("no command %q", command)
}

func deleteDevice(ctx context.Context, client *tailscale.Client, name string) error {
	devices, err := client.Devices().List(ctx)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if strings.HasPrefix(device.Name, name+".") {
			return client.Devices().Delete(ctx, device.NodeID)
		}
	}
	return fmt.Errorf("no device %q among %d", name, len(devices))
}

func clientFor(apiKey string) *tailscale.Client {
	base, err := url.Parse(os.Getenv("LAB_URL"))
	if err != nil {
		panic(err)
	}
	return &tailscale.Client{BaseURL: base, APIKey: apiKey}
}

func oauthClient(secret string, scopes ...string) *tailscale.Client {
	client := clientFor("")
	client.Auth = &tailscale.OAuth{ClientID: os.Getenv("LAB_CLIENT_ID"), ClientSecret: secret, Scopes: scopes}
	return client
}

func keyRequest(tags []string) tailscale.CreateKeyRequest {
	request := tailscale.CreateKeyRequest{ExpirySeconds: 3600, Description: "lab test"}
	request.Capabilities.Devices.Create.Preauthorized = true
	request.Capabilities.Devices.Create.Tags = tags
	return request
}
