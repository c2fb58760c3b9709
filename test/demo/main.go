// Command demo shows Flotilla at work: it starts a host and three members on this machine, propagates the
// shop of config/samples, shows a table until all of it is ready, and leaves everything running.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// readyTimeout bounds the wait for the shop; kwok makes pods ready within seconds.
const readyTimeout = 5 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard()) // the demo tells what it does itself
	if err := newCommand().ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	d := demo{}
	down := false
	cmd := &cobra.Command{
		Use: "demo", Short: "Show an application that is spread over three clusters", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if down {
				return local.Down(cmd.Context(), d.dir, os.Stdout)
			}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&d.dir, "dir", ".fleet", "the folder of the fleet")
	cmd.Flags().BoolVar(&d.once, "once", false, "stop everything when the shop is ready")
	cmd.Flags().BoolVar(&down, "down", false, "stop a demo that was left running")
	return cmd
}

type demo struct {
	dir  string
	once bool
}

func (d demo) run(ctx context.Context) (err error) {
	fleet, err := local.Up(ctx, local.Options{Dir: d.dir, Members: 3, Managers: 2, Progress: os.Stdout})
	if err != nil {
		return err
	}
	if d.once {
		// The caller's context may be what ended the demo; the processes must go all the same.
		defer func() { err = errors.Join(err, fleet.Down(context.WithoutCancel(ctx))) }()
	}
	start := time.Now()
	if err := d.propagate(ctx, fleet); err != nil {
		return err
	}
	fmt.Printf("\nThe shop is ready in every cluster, %s after it was applied.\n", time.Since(start).Round(100*time.Millisecond))
	if err := d.show(ctx, fleet); err != nil {
		return err
	}
	if !d.once {
		d.explain(fleet)
	}
	return nil
}

func (d demo) propagate(ctx context.Context, fleet *local.Fleet) error {
	fmt.Printf("\n$ kubectl apply -k config/samples/shop\n")
	var applied bytes.Buffer
	err := kubectl(ctx, fleet, io.MultiWriter(os.Stdout, &applied), "apply", "-o", "name", "-k", filepath.Join("config", "samples", "shop"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return watchTable(ctx, fleet, countTemplates(applied.String()))
}

// countTemplates counts what kubectl applied, but for the namespace and the policies.
func countTemplates(applied string) int {
	count := 0
	for _, name := range strings.Fields(applied) {
		if !strings.HasPrefix(name, "namespace/") && !strings.HasPrefix(name, "propagationpolicy.") {
			count++
		}
	}
	return count
}

// show prints what a user would look at: the fleet-wide numbers on the host, and that nothing runs there.
func (d demo) show(ctx context.Context, fleet *local.Fleet) error {
	for _, args := range [][]string{
		{"get", "deployments,statefulsets,cronjobs"},
		{"get", "replicasets,pods,jobs"},
		{"get", "resourcebindings"},
	} {
		args = append([]string{"--namespace=" + shop}, args...)
		fmt.Printf("\n$ kubectl %s %s %s\n", args[0], args[1], args[2])
		if err := kubectl(ctx, fleet, os.Stdout, args...); err != nil {
			return err
		}
	}
	return nil
}

func (d demo) explain(fleet *local.Fleet) {
	bin := filepath.Dir(fleet.Program("kubectl"))
	fmt.Printf(`
Everything keeps running. Look around:

  export PATH=%s:$PATH KUBECONFIG=%s
  kubectl flotilla get clusters
  kubectl -n shop get deploy,sts,cronjob
  kubectl -n shop get resourcebindings -o wide
  kubectl -n shop set image deployment/web '*=shop/web:2.0'
  kubectl -n shop get deploy -o wide --kubeconfig %s

Stop it with: make demo-down
`, bin, fleet.Host.Kubeconfig, fleet.Members[0].Kubeconfig)
}

func kubectl(ctx context.Context, fleet *local.Fleet, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, fleet.Program("kubectl"), append([]string{"--kubeconfig=" + fleet.Host.Kubeconfig}, args...)...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running kubectl %s: %w", args[0], err)
	}
	return nil
}
