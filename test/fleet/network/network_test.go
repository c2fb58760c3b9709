package network

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	// soon bounds a broken run and says nothing about speed.
	soon = time.Minute
	// while is how long silence is listened to, and a latency that is felt.
	while = 150 * time.Millisecond
	// unbearable is a latency under which nothing arrives before soon is over.
	unbearable = 10 * soon
)

// echoServer returns the address of a server that sends back what it gets.
func echoServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	return listener.Addr().String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// startProxy runs a proxy with one link to upstream and returns the link's address and a client.
func startProxy(t *testing.T, upstream string) (string, Client) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for {
		link, client, err := tryProxy(t, upstream)
		if err == nil {
			return link.Listen, client
		}
		// Another process may have taken a port that was free.
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// tryProxy starts a proxy at addresses that are free, and returns when it answers or has ended.
func tryProxy(t *testing.T, upstream string) (Link, Client, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	link := Link{Name: "member1", Listen: freeAddress(t), Upstream: upstream}
	client := Client{Control: freeAddress(t)}
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, client.Control, []Link{link}) }()
	deadline := time.Now().Add(soon)
	for {
		_, err := client.Get(t.Context(), "member1")
		if err == nil {
			t.Cleanup(func() { endProxy(t, cancel, ended) })
			return link, client, nil
		}
		select {
		case err := <-ended:
			cancel()
			return link, client, err
		default:
		}
		if time.Now().After(deadline) {
			cancel()
			return link, client, err
		}
	}
}

func endProxy(t *testing.T, cancel context.CancelFunc, ended <-chan error) {
	t.Helper()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("proxy ended with: %v", err)
		}
	case <-time.After(soon):
		t.Error("the proxy does not end")
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func wantAnswer(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	buffer := make([]byte, len(want))
	if _, err := io.ReadFull(conn, buffer); err != nil {
		t.Fatalf("waiting for %q: %v", want, err)
	}
	if diff := cmp.Diff(want, string(buffer)); diff != "" {
		t.Fatalf("answer (-want +got):\n%s", diff)
	}
}

func wantSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(while))
	n, err := conn.Read(make([]byte, 100))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a cut link passed %d bytes, error %v", n, err)
	}
}

func setFaults(t *testing.T, client Client, faults Faults) {
	t.Helper()
	if err := client.Set(t.Context(), "member1", faults); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(t.Context(), "member1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(faults, got); diff != "" {
		t.Fatalf("faults (-want +got):\n%s", diff)
	}
}

func TestAHealthyLinkPassesBytesAndTheEndOfTheStream(t *testing.T) {
	address, _ := startProxy(t, echoServer(t))
	conn := dial(t, address)
	large := strings.Repeat("0123456789", 500_000)
	go func() {
		_, _ = io.WriteString(conn, large)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != large {
		t.Errorf("got %d bytes back, want the %d that were sent", len(got), len(large))
	}
}

func TestACutLinkHoldsOldAndNewConnectionsUntilItHeals(t *testing.T) {
	address, client := startProxy(t, echoServer(t))
	old := dial(t, address)
	send(t, old, "before")
	wantAnswer(t, old, "before")
	for range 3 {
		setFaults(t, client, Faults{Cut: true})
		fresh := dial(t, address)
		send(t, old, "old")
		send(t, fresh, "fresh")
		wantSilence(t, old)
		wantSilence(t, fresh)
		setFaults(t, client, Faults{})
		wantAnswer(t, old, "old")
		wantAnswer(t, fresh, "fresh")
	}
}

func TestACutLinkHidesThatTheServerIsGone(t *testing.T) {
	address, client := startProxy(t, freeAddress(t))
	setFaults(t, client, Faults{Cut: true})
	conn := dial(t, address)
	wantSilence(t, conn)
	setFaults(t, client, Faults{})
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("reading from a dead server through a healed link: got error %v, want EOF", err)
	}
}

func TestASlowLinkDelaysAnswersAndNothingElse(t *testing.T) {
	address, client := startProxy(t, echoServer(t))
	conn := dial(t, address)
	setFaults(t, client, Faults{Latency: while})
	begin := time.Now()
	send(t, conn, "a")
	wantAnswer(t, conn, "a")
	if took := time.Since(begin); took < while {
		t.Errorf("a round trip over a link with %v latency took %v", while, took)
	}
	setFaults(t, client, Faults{Latency: unbearable})
	setFaults(t, client, Faults{})
	send(t, conn, "b")
	wantAnswer(t, conn, "b")
}

func TestAnUnknownLinkIsAnError(t *testing.T) {
	_, client := startProxy(t, echoServer(t))
	err := client.Set(t.Context(), "member9", Faults{Cut: true})
	if err == nil || !strings.Contains(err.Error(), "no such link") {
		t.Errorf("cutting an unknown link: got error %v", err)
	}
}
