package process

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newTable(t *testing.T) Table {
	t.Helper()
	dir := t.TempDir()
	table := Table{PIDs: filepath.Join(dir, "pids"), Logs: filepath.Join(dir, "logs")}
	t.Cleanup(func() {
		names, err := table.Names()
		if err != nil {
			t.Error(err)
		}
		if err := table.Stop(context.Background(), time.Second, names...); err != nil {
			t.Error(err)
		}
	})
	return table
}

func sleeper(name string) Spec {
	return Spec{Name: name, Path: "/bin/sh", Args: []string{"-c", "echo hello; exec sleep 60"}}
}

func TestAStartedProgramRunsUntilItIsStopped(t *testing.T) {
	table := newTable(t)
	ended, err := table.Start(sleeper("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Status("a"); got != Running {
		t.Fatalf("status after start: got %s", got)
	}
	if _, err := table.Start(sleeper("a")); err == nil || !strings.Contains(err.Error(), "already running") {
		t.Errorf("second start: got error %v, want one that says it is already running", err)
	}
	if err := table.Stop(t.Context(), 5*time.Second, "a"); err != nil {
		t.Fatal(err)
	}
	<-ended
	names, err := table.Names()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, names); diff != "" {
		t.Errorf("records after stop (-want +got):\n%s", diff)
	}
	if err := table.Stop(t.Context(), time.Second, "a"); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func TestASuspendedProgramIsSeenAndCanStillBeStopped(t *testing.T) {
	table := newTable(t)
	if _, err := table.Start(sleeper("a")); err != nil {
		t.Fatal(err)
	}
	if err := table.Signal("a", syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(5 * time.Second)
	for table.Status("a") != Suspended {
		select {
		case <-deadline:
			t.Fatalf("status after SIGSTOP: got %s", table.Status("a"))
		default:
		}
	}
	if err := table.Stop(t.Context(), 5*time.Second, "a"); err != nil {
		t.Fatal(err)
	}
}

func TestAProgramThatIgnoresTheRequestIsKilledAfterTheGrace(t *testing.T) {
	table := newTable(t)
	stubborn := Spec{Name: "a", Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; echo $STATE; while :; do sleep 60; done"}, Env: []string{"STATE=armed"}}
	ended, err := table.Start(stubborn)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(5 * time.Second)
	for !strings.Contains(table.LogTail("a"), "armed") {
		select {
		case <-deadline:
			t.Fatal("the program did not start")
		default:
		}
	}
	if err := table.Stop(t.Context(), 200*time.Millisecond, "a"); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func TestARecycledProcessIDIsLeftAlone(t *testing.T) {
	table := newTable(t)
	if err := os.MkdirAll(table.PIDs, 0o755); err != nil {
		t.Fatal(err)
	}
	// This very test has that process id, but it was not born in tick 1.
	record := strconv.Itoa(os.Getpid()) + " 1\n"
	if err := os.WriteFile(table.recordFile("a"), []byte(record), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := table.Status("a"); got != Gone {
		t.Errorf("status: got %s, want %s", got, Gone)
	}
	if err := table.Signal("a", syscall.SIGTERM); err == nil {
		t.Error("a signal was sent to a process that is not the recorded one")
	}
	if err := table.Kill(t.Context(), "a"); err != nil {
		t.Errorf("killing what is gone: %v", err)
	}
}

func TestAProgramThatCannotStartLeavesNoRecord(t *testing.T) {
	table := newTable(t)
	if _, err := table.Start(Spec{Name: "a", Path: "/does/not/exist"}); err == nil {
		t.Fatal("starting a missing program: got no error")
	}
	names, err := table.Names()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, names); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
