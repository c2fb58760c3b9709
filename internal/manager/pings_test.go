package manager

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAHangingConnectionIsGivenUpSoonUnlessTheEnvironmentSaysWhen(t *testing.T) {
	const idle, ping = "HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS"
	t.Setenv(ping, "") // restores what is set below
	t.Setenv(idle, "60")
	if err := os.Unsetenv(ping); err != nil {
		t.Fatal(err)
	}
	if err := pingSooner(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{idle: os.Getenv(idle), ping: os.Getenv(ping)}
	if diff := cmp.Diff(map[string]string{idle: "60", ping: "10"}, got); diff != "" {
		t.Errorf("after pingSooner() (-want +got):\n%s", diff)
	}
}
