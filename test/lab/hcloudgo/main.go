// Command hcloudgo drives a lab with the provider's own Go client and says for each step whether it went as it
// would there. It ends with exit code 1 at the first that didn't.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

// run is one pass over the API; resources are left for later steps in its fields.
type run struct {
	ctx       context.Context
	client    *hcloud.Client
	publicKey string
	key       *hcloud.SSHKey
	firewall  *hcloud.Firewall
	address   *hcloud.PrimaryIP
	server    *hcloud.Server
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	endpoint, token := os.Getenv("LAB_ENDPOINT"), os.Getenv("LAB_TOKEN")
	r := &run{ctx: ctx, client: newClient(endpoint, token), publicKey: os.Getenv("LAB_PUBLIC_KEY")}
	steps := []struct {
		name string
		do   func() error
	}{
		{"a wrong token is refused", func() error { return r.wrongToken(endpoint) }},
		{"catalog", r.catalog},
		{"ssh keys", r.sshKeys},
		{"pages of more than 50 items", r.pages},
		{"firewall", r.makeFirewall},
		{"primary ip", r.makeAddress},
		{"server create", r.makeServer},
		{"server update", r.updateServer},
		{"backups and protection", r.protection},
		{"firewall in use", r.firewallInUse},
		{"power", r.power},
		{"rebuild", r.rebuild},
		{"snapshot", r.snapshot},
		{"delete", r.remove},
	}
	for _, step := range steps {
		started := time.Now()
		if err := step.do(); err != nil {
			fmt.Printf("not ok %s: %v\n", step.name, err)
			os.Exit(1)
		}
		fmt.Printf("ok %s (%d ms)\n", step.name, time.Since(started).Milliseconds())
	}
}

func newClient(endpoint, token string) *hcloud.Client {
	return hcloud.NewClient(
		hcloud.WithEndpoint(endpoint),
		hcloud.WithToken(token),
		hcloud.WithApplication("lab-test", "1"),
		hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: hcloud.ConstantBackoff(50 * time.Millisecond)}),
	)
}

// want fails unless err is an API error with this code.
func want(err error, code hcloud.ErrorCode) error {
	if !hcloud.IsError(err, code) {
		return fmt.Errorf("expected the error %s, got %w", code, err)
	}
	return nil
}

func check(ok bool, format string, args ...any) error {
	if !ok {
		return fmt.Errorf(format, args...)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) wrongToken(endpoint string) error {
	_, err := newClient(endpoint, "wrong").SSHKey.All(r.ctx)
	return want(err, hcloud.ErrorCodeUnauthorized)
}

func (r *run) catalog() error {
	serverType, _, err := r.client.ServerType.Get(r.ctx, "cx23")
	if err != nil || serverType == nil {
		return fmt.Errorf("server type cx23: %v, %w", serverType, err)
	}
	image, _, err := r.client.Image.GetForArchitecture(r.ctx, "debian-13", hcloud.ArchitectureX86)
	if err != nil || image == nil {
		return fmt.Errorf("image debian-13: %v, %w", image, err)
	}
	location, _, err := r.client.Location.Get(r.ctx, "fsn1")
	if err != nil || location == nil {
		return fmt.Errorf("location fsn1: %v, %w", location, err)
	}
	none, _, err := r.client.Image.GetForArchitecture(r.ctx, "no-such", hcloud.ArchitectureX86)
	return firstError(
		err,
		check(none == nil, "an image that does not exist was found"),
		check(serverType.Cores == 2 && serverType.Memory == 4 && serverType.Architecture == hcloud.ArchitectureX86, "cx23 is %+v", serverType),
		check(len(serverType.Locations) > 0 && len(serverType.Pricings) > 0, "cx23 has no location or price"),
		check(image.OSFlavor == "debian" && image.Status == hcloud.ImageStatusAvailable, "the image is %+v", image),
		check(location.NetworkZone == hcloud.NetworkZoneEUCentral, "the network zone is %s", location.NetworkZone),
	)
}

func (r *run) sshKeys() error {
	key, _, err := r.client.SSHKey.Create(r.ctx, hcloud.SSHKeyCreateOpts{
		Name: "go-key", PublicKey: r.publicKey, Labels: map[string]string{"app": "lab"},
	})
	if err != nil {
		return err
	}
	r.key = key
	_, _, sameName := r.client.SSHKey.Create(r.ctx, hcloud.SSHKeyCreateOpts{Name: "go-key", PublicKey: r.publicKey})
	_, _, notAKey := r.client.SSHKey.Create(r.ctx, hcloud.SSHKeyCreateOpts{Name: "bad", PublicKey: "ssh-ed25519 AAAA"})
	_, _, badLabel := r.client.SSHKey.Update(r.ctx, key, hcloud.SSHKeyUpdateOpts{Labels: map[string]string{"a b": "c"}})
	byPrint, _, err := r.client.SSHKey.GetByFingerprint(r.ctx, key.Fingerprint)
	return firstError(
		err,
		check(byPrint != nil && byPrint.ID == key.ID, "not found by its fingerprint %s", key.Fingerprint),
		want(sameName, hcloud.ErrorCodeUniquenessError),
		want(notAKey, hcloud.ErrorCodeInvalidInput),
		want(badLabel, hcloud.ErrorCodeInvalidInput),
	)
}

func (r *run) pages() error {
	const count = 53
	for i := range count {
		labels := map[string]string{"page": "yes", "odd": fmt.Sprint(i % 2)}
		opts := hcloud.FirewallCreateOpts{Name: fmt.Sprintf("page-%02d", i), Labels: labels}
		if _, _, err := r.client.Firewall.Create(r.ctx, opts); err != nil {
			return err
		}
	}
	all, err := r.client.Firewall.AllWithOpts(r.ctx, hcloud.FirewallListOpts{
		ListOpts: hcloud.ListOpts{LabelSelector: "page=yes", PerPage: 50}, Sort: []string{"name:desc"},
	})
	if err != nil {
		return err
	}
	odd, err := r.client.Firewall.AllWithOpts(r.ctx, hcloud.FirewallListOpts{
		ListOpts: hcloud.ListOpts{LabelSelector: "page,odd in (1)"},
	})
	if err != nil {
		return err
	}
	for _, firewall := range all {
		if _, err := r.client.Firewall.Delete(r.ctx, firewall); err != nil {
			return err
		}
	}
	return firstError(
		check(len(all) == count, "%d of %d items listed", len(all), count),
		check(len(all) > 0 && all[0].Name == "page-52", "the first by name descending is %s", all[0].Name),
		check(len(odd) == count/2, "%d items have the label odd=1", len(odd)),
	)
}

func (r *run) makeFirewall() error {
	_, world, err := net.ParseCIDR("0.0.0.0/0")
	if err != nil {
		return err
	}
	rule := hcloud.FirewallRule{
		Direction: hcloud.FirewallRuleDirectionIn, Protocol: hcloud.FirewallRuleProtocolTCP,
		Port: hcloud.Ptr("22"), SourceIPs: []net.IPNet{*world}, Description: hcloud.Ptr("ssh"),
	}
	result, _, err := r.client.Firewall.Create(r.ctx, hcloud.FirewallCreateOpts{
		Name: "go-firewall", Rules: []hcloud.FirewallRule{rule},
	})
	if err != nil {
		return err
	}
	r.firewall = result.Firewall
	bad := rule
	bad.Port = hcloud.Ptr("70000")
	_, _, badPort := r.client.Firewall.SetRules(r.ctx, r.firewall, hcloud.FirewallSetRulesOpts{Rules: []hcloud.FirewallRule{bad}})
	return firstError(
		r.client.Action.WaitFor(r.ctx, result.Actions...),
		want(badPort, hcloud.ErrorCodeInvalidInput),
		check(len(r.firewall.Rules) == 1 && *r.firewall.Rules[0].Port == "22", "rules are %+v", r.firewall.Rules),
	)
}

func (r *run) makeAddress() error {
	result, _, err := r.client.PrimaryIP.Create(r.ctx, hcloud.PrimaryIPCreateOpts{
		Name: "go-address", Type: hcloud.PrimaryIPTypeIPv4, Location: "fsn1", AutoDelete: hcloud.Ptr(false),
	})
	if err != nil {
		return err
	}
	r.address = result.PrimaryIP
	return check(r.address.IP.To4() != nil && r.address.AssigneeID == 0, "the address is %+v", r.address)
}

func (r *run) serverOpts(name string) hcloud.ServerCreateOpts {
	return hcloud.ServerCreateOpts{
		Name: name, ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{Name: "debian-13"},
		Location: &hcloud.Location{Name: "fsn1"}, SSHKeys: []*hcloud.SSHKey{r.key},
		Firewalls: []*hcloud.ServerCreateFirewall{{Firewall: *r.firewall}},
		PublicNet: &hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true, IPv4: r.address},
		Labels:    map[string]string{"role": "go"},
	}
}

func (r *run) makeServer() error {
	result, _, err := r.client.Server.Create(r.ctx, r.serverOpts("go-server"))
	if err != nil {
		return err
	}
	r.server = result.Server
	var progress []int
	err = r.client.Action.WaitForFunc(r.ctx, func(update *hcloud.Action) error {
		progress = append(progress, update.Progress)
		return update.Error()
	}, append(result.NextActions, result.Action)...)
	if err != nil {
		return err
	}
	server, _, err := r.client.Server.Get(r.ctx, "go-server")
	if err != nil || server == nil {
		return fmt.Errorf("server not found by name: %w", err)
	}
	big := r.serverOpts("too-much")
	big.PublicNet = nil
	big.UserData = string(make([]byte, 32*1024+1))
	_, _, tooBig := r.client.Server.Create(r.ctx, big)
	_, _, twice := r.client.Server.Create(r.ctx, r.serverOpts("go-server"))
	_, _, assigned := r.client.Server.Create(r.ctx, r.serverOpts("other"))
	return firstError(
		check(result.RootPassword == "", "a root password was set beside the key"),
		check(server.Status == hcloud.ServerStatusRunning, "its status is %s", server.Status),
		check(server.PublicNet.IPv4.IP.Equal(r.address.IP), "its address is %s", server.PublicNet.IPv4.IP),
		check(server.PublicNet.IPv6.Network != nil, "it has no IPv6 network"),
		check(len(server.PublicNet.Firewalls) == 1, "it has %d firewalls", len(server.PublicNet.Firewalls)),
		check(server.Location.Name == "fsn1" && server.Image.Name == "debian-13", "it is %+v", server),
		check(len(progress) > 0 && progress[len(progress)-1] == 100, "progress was %v", progress),
		want(tooBig, hcloud.ErrorCodeInvalidInput),
		want(twice, hcloud.ErrorCodeUniquenessError),
		want(assigned, hcloud.ErrorCodePrimaryIPAssigned),
	)
}

func (r *run) updateServer() error {
	server, _, err := r.client.Server.Update(r.ctx, r.server, hcloud.ServerUpdateOpts{
		Name: "go-renamed", Labels: map[string]string{"role": "changed"},
	})
	if err != nil {
		return err
	}
	byLabel, err := r.client.Server.AllWithOpts(r.ctx, hcloud.ServerListOpts{
		ListOpts: hcloud.ListOpts{LabelSelector: "role=changed"},
	})
	_, _, badName := r.client.Server.Update(r.ctx, r.server, hcloud.ServerUpdateOpts{Name: "not_a host"})
	return firstError(
		err,
		check(server.Name == "go-renamed", "its name is %s", server.Name),
		check(len(byLabel) == 1 && byLabel[0].ID == r.server.ID, "%d servers found by label", len(byLabel)),
		want(badName, hcloud.ErrorCodeInvalidInput),
	)
}

// wait waits for an action of one server.
func (r *run) wait(action *hcloud.Action, _ *hcloud.Response, err error) error {
	if err != nil {
		return err
	}
	return r.client.Action.WaitFor(r.ctx, action)
}

func (r *run) setProtection(on bool) error {
	return r.wait(r.client.Server.ChangeProtection(r.ctx, r.server, hcloud.ServerChangeProtectionOpts{Delete: &on, Rebuild: &on}))
}

func (r *run) protection() error {
	err := firstError(r.wait(r.client.Server.EnableBackup(r.ctx, r.server, "")), r.setProtection(true))
	if err != nil {
		return err
	}
	server, _, err := r.client.Server.GetByID(r.ctx, r.server.ID)
	if err != nil {
		return err
	}
	_, _, deleted := r.client.Server.DeleteWithResult(r.ctx, r.server)
	_, _, rebuilt := r.client.Server.RebuildWithResult(r.ctx, r.server, hcloud.ServerRebuildOpts{Image: server.Image})
	yes, no := true, false
	_, _, uneven := r.client.Server.ChangeProtection(r.ctx, r.server, hcloud.ServerChangeProtectionOpts{Delete: &yes, Rebuild: &no})
	return firstError(
		check(server.BackupWindow != "", "backups are off"),
		check(server.Protection.Delete && server.Protection.Rebuild, "protection is %+v", server.Protection),
		want(deleted, hcloud.ErrorCodeProtected),
		want(rebuilt, hcloud.ErrorCodeProtected),
		want(uneven, hcloud.ErrorCodeInvalidInput),
		r.setProtection(false),
	)
}

func (r *run) firewallInUse() error {
	_, err := r.client.Firewall.Delete(r.ctx, r.firewall)
	return want(err, hcloud.ErrorCodeResourceInUse)
}

func (r *run) status(wanted hcloud.ServerStatus) error {
	server, _, err := r.client.Server.GetByID(r.ctx, r.server.ID)
	if err != nil {
		return err
	}
	return check(server.Status == wanted, "its status is %s instead of %s", server.Status, wanted)
}

func (r *run) power() error {
	bigger := hcloud.ServerChangeTypeOpts{ServerType: &hcloud.ServerType{Name: "cx33"}, UpgradeDisk: false}
	_, _, running := r.client.Server.ChangeType(r.ctx, r.server, bigger)
	return firstError(
		want(running, hcloud.ErrorCodeServerNotStopped),
		r.wait(r.client.Server.Poweroff(r.ctx, r.server)),
		r.status(hcloud.ServerStatusOff),
		r.wait(r.client.Server.ChangeType(r.ctx, r.server, bigger)),
		r.wait(r.client.Server.Poweron(r.ctx, r.server)),
		r.status(hcloud.ServerStatusRunning),
		r.wait(r.client.Server.Reset(r.ctx, r.server)),
		r.status(hcloud.ServerStatusRunning),
	)
}

func (r *run) rebuild() error {
	result, _, err := r.client.Server.RebuildWithResult(r.ctx, r.server, hcloud.ServerRebuildOpts{
		Image: &hcloud.Image{Name: "debian-13"},
	})
	if err != nil {
		return err
	}
	return firstError(r.client.Action.WaitFor(r.ctx, result.Action), r.status(hcloud.ServerStatusRunning))
}

func (r *run) snapshots() ([]*hcloud.Image, error) {
	return r.client.Image.AllWithOpts(r.ctx, hcloud.ImageListOpts{
		Type: []hcloud.ImageType{hcloud.ImageTypeSnapshot}, Status: []hcloud.ImageStatus{hcloud.ImageStatusAvailable},
		IncludeDeprecated: true, ListOpts: hcloud.ListOpts{LabelSelector: "kind=go"},
	})
}

func (r *run) protectImage(image *hcloud.Image, on bool) error {
	return r.wait(r.client.Image.ChangeProtection(r.ctx, image, hcloud.ImageChangeProtectionOpts{Delete: &on}))
}

// snapshot saves the server's disk, rebuilds the server to it, and deletes the image while the server needs it.
func (r *run) snapshot() error {
	made, _, err := r.client.Server.CreateImage(r.ctx, r.server, &hcloud.ServerCreateImageOpts{
		Type: hcloud.ImageTypeSnapshot, Description: hcloud.Ptr("go"), Labels: map[string]string{"kind": "go"},
	})
	if err != nil {
		return err
	}
	if err := r.client.Action.WaitFor(r.ctx, made.Action); err != nil {
		return err
	}
	image, _, err := r.client.Image.Update(r.ctx, made.Image, hcloud.ImageUpdateOpts{Description: hcloud.Ptr("changed")})
	if err != nil {
		return err
	}
	listed, err := r.snapshots()
	if err != nil {
		return err
	}
	actions, err := r.client.Image.Action.All(r.ctx, hcloud.ActionListOpts{Status: []hcloud.ActionStatus{hcloud.ActionStatusSuccess}})
	if err != nil {
		return err
	}
	arm := r.serverOpts("other-kind")
	arm.PublicNet, arm.Image, arm.ServerType = nil, image, &hcloud.ServerType{Name: "cax11"}
	_, _, otherKind := r.client.Server.Create(r.ctx, arm)
	protected := r.protectImage(image, true)
	_, deleted := r.client.Image.Delete(r.ctx, image)
	_, _, backup := r.client.Server.CreateImage(r.ctx, r.server, &hcloud.ServerCreateImageOpts{Type: hcloud.ImageTypeBackup})
	err = firstError(
		protected,
		want(otherKind, hcloud.ErrorCodeInvalidInput),
		want(deleted, hcloud.ErrorCodeProtected),
		want(backup, hcloud.ErrorUnsupportedError),
		r.protectImage(image, false),
		check(made.Image.Status == hcloud.ImageStatusCreating, "its first status is %s", made.Image.Status),
		check(image.Status == hcloud.ImageStatusAvailable && image.ImageSize > 0, "the image is %+v", image),
		check(image.Description == "changed" && image.Name == "", "the image is %+v", image),
		check(image.CreatedFrom.ID == r.server.ID && image.OSFlavor == "debian", "the image is %+v", image),
		check(len(listed) == 1 && listed[0].ID == image.ID, "%d snapshots are listed", len(listed)),
		check(len(actions) > 0, "the image has no action"),
	)
	if err != nil {
		return err
	}
	result, _, err := r.client.Server.RebuildWithResult(r.ctx, r.server, hcloud.ServerRebuildOpts{Image: image})
	if err != nil {
		return err
	}
	if err := r.client.Action.WaitFor(r.ctx, result.Action); err != nil {
		return err
	}
	_, deleteErr := r.client.Image.Delete(r.ctx, image)
	gone, _, goneErr := r.client.Image.GetByID(r.ctx, image.ID)
	server, _, err := r.client.Server.GetByID(r.ctx, r.server.ID)
	return firstError(
		deleteErr, goneErr, err,
		check(gone == nil, "the image is still there"),
		check(server.Image.ID == image.ID && server.Image.IsDeleted(), "the server's image is %+v", server.Image),
	)
}

func (r *run) remove() error {
	result, _, err := r.client.Server.DeleteWithResult(r.ctx, r.server)
	if err != nil {
		return err
	}
	if err := r.client.Action.WaitFor(r.ctx, result.Action); err != nil {
		return err
	}
	gone, _, err := r.client.Server.GetByID(r.ctx, r.server.ID)
	if err != nil {
		return err
	}
	address, _, err := r.client.PrimaryIP.GetByID(r.ctx, r.address.ID)
	if err != nil || address == nil {
		return fmt.Errorf("the address went with the server: %w", err)
	}
	_, firewallErr := r.client.Firewall.Delete(r.ctx, r.firewall)
	_, addressErr := r.client.PrimaryIP.Delete(r.ctx, r.address)
	_, keyErr := r.client.SSHKey.Delete(r.ctx, r.key)
	_, again := r.client.SSHKey.Delete(r.ctx, r.key)
	addresses, err := r.client.PrimaryIP.All(r.ctx)
	return firstError(
		err, firewallErr, addressErr, keyErr,
		check(gone == nil, "the server is still there"),
		check(address.AssigneeID == 0, "the address is still assigned"),
		check(len(addresses) == 0, "%d addresses are left", len(addresses)),
		want(again, hcloud.ErrorCodeNotFound),
	)
}
