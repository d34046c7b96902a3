package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/e2e/verify"
	"minigroups/stack"
)

// cluster is the whole service on this machine, in the shape of production.
type cluster struct {
	dir, bin   string
	cfg        config.Config
	configFile string
	token      string
	event      string
	conference string
	apiURLs    [2]string
	faults     *harness.FaultLog

	server, schemaTool string // of Temporal

	postgres, temporal, janus, broker, sandbox *harness.Part

	apis    [2]*harness.Part
	workers [3]*harness.Part

	db     *pgxpool.Pool
	client client.Client
}

const adminSecret, adminKey, roomKey = "cluster-secret", "cluster-key", "cluster-room-key"

// sut is the system under test. All tests share it, each with scopes of its own.
var sut *cluster

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "minigroups-cluster")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sut = &cluster{dir: dir, bin: filepath.Join(dir, "bin"), faults: harness.NewFaultLog(os.Stdout)}
	defer func() { sut.stop(code != 0) }()
	if err := sut.start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start the cluster:", err)
		return 1
	}
	fmt.Printf("%7.1fs  everything serves\n", time.Since(sut.faults.Begun).Seconds())
	return m.Run()
}

func (c *cluster) start(ctx context.Context) (err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	if c.server, c.schemaTool, err = stack.BuildTemporalServer(ctx, root, os.Stderr); err != nil {
		return err
	}
	if err := stack.BuildService(ctx, root, c.bin, os.Stderr); err != nil {
		return err
	}
	c.faults.Begun = time.Now()
	if c.cfg, c.token, err = harness.Identify(c.dir); err != nil {
		return err
	}
	// Short timeouts keep the tests short.
	c.cfg.Saga.StepWait, c.cfg.Saga.RequestTimeout = 2*time.Second, 10*time.Second
	for _, prepare := range []func() error{c.prepareDatabases, c.prepareJanus, c.prepareStandIns} {
		if err := prepare(); err != nil {
			return err
		}
	}
	for _, p := range []*harness.Part{c.postgres, c.temporal, c.janus, c.broker, c.sandbox} {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return c.startPrograms(ctx)
}

// prepareDatabases prepares one Postgres for our database and both of Temporal's. It is durable, unlike in other tests.
func (c *cluster) prepareDatabases() error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	ports, err := stack.FreeTemporalPorts()
	if err != nil {
		return err
	}
	c.cfg.Database.URL = config.DatabaseURL(fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port))
	c.cfg.Temporal.Address = fmt.Sprintf("127.0.0.1:%d", ports.Frontend)
	var postgres *stack.Postgres
	c.postgres = harness.NewPart("postgres", c.faults, func(ctx context.Context) (_ harness.Process, err error) {
		postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{
			Dir: filepath.Join(c.dir, "postgres"), Port: port, Log: c.log("postgres"),
		})
		return postgres, err
	})
	c.temporal = harness.NewPart("temporal", c.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartTemporalServer(ctx, stack.TemporalServerOptions{
			Binary: c.server, SchemaTool: c.schemaTool, Dir: filepath.Join(c.dir, "temporal"),
			Postgres: postgres, Ports: ports, Log: c.log("temporal"),
		})
	})
	return nil
}

func (c *cluster) prepareJanus() error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	adminPort, err := stack.FreePort()
	if err != nil {
		return err
	}
	c.janus = harness.NewPart("janus", c.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartJanus(ctx, stack.JanusOptions{
			Dir: filepath.Join(c.dir, "janus"), Port: port, AdminPort: adminPort,
			AdminSecret: adminSecret, AdminKey: adminKey, Log: c.log("janus"),
		})
	})
	c.cfg.Janus.AdminKey, c.cfg.Janus.AdminSecret, c.cfg.Janus.RoomKey = adminKey, adminSecret, roomKey
	c.cfg.Janus.Backends = []config.Backend{{
		ID: "janus-1", Capacity: new(int32(100000)),
		AdminURL: fmt.Sprintf("http://127.0.0.1:%d/admin", adminPort),
		JanusURL: fmt.Sprintf("http://127.0.0.1:%d/janus", port),
	}}
	return nil
}

func (c *cluster) prepareStandIns() error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	event, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	conference, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	c.cfg.MQTT.Broker = fmt.Sprintf("mqtt://127.0.0.1:%d", port)
	c.broker = harness.NewPart("broker", c.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartMosquitto(ctx, stack.MosquittoOptions{
			Dir: filepath.Join(c.dir, "mosquitto"), Port: port, Log: c.log("mosquitto"),
		})
	})
	c.event, c.conference = "http://"+event, "http://"+conference
	c.cfg.Event.URL, c.cfg.Conference.URL = c.event, c.conference
	c.sandbox = harness.NewPart("stand-ins", c.faults, func(ctx context.Context) (harness.Process, error) {
		args := append(harness.TrustFlags(c.cfg),
			"-event", event, "-conference", conference, "-broker", c.cfg.MQTT.Broker)
		return c.run(ctx, "sandbox", "sandbox", args, nil, c.event+"/healthz", c.conference+"/healthz")
	})
	return nil
}

func (c *cluster) startPrograms(ctx context.Context) (err error) {
	c.configFile = filepath.Join(c.dir, "config.yaml")
	if err := config.Save(c.configFile, c.cfg); err != nil {
		return err
	}
	if err := harness.Migrate(ctx, c.bin, c.configFile, c.log("migrate")); err != nil {
		return err
	}
	if c.db, err = pgxpool.New(ctx, c.cfg.Database.URL.Reveal()); err != nil {
		return err
	}
	options := client.Options{HostPort: c.cfg.Temporal.Address, Logger: harness.NopLogger{}}
	if c.client, err = client.Dial(options); err != nil {
		return err
	}
	for i := range c.workers {
		address, err := harness.FreeAddress()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("worker-%d", i+1)
		c.workers[i] = c.program(name, "worker", "http://"+address+"/metrics",
			setting("worker.metrics_listen", address), setting("mqtt.client_id", c.cfg.Account.AgentID(name)))
		if err := c.workers[i].Start(ctx); err != nil {
			return err
		}
	}
	for i := range c.apis {
		address, err := harness.FreeAddress()
		if err != nil {
			return err
		}
		c.apiURLs[i] = "http://" + address
		c.apis[i] = c.program(fmt.Sprintf("api-%d", i+1), "api", c.apiURLs[i]+"/readyz",
			setting("api.listen", address), setting("api.metrics_listen", "127.0.0.1:0"))
		if err := c.apis[i].Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func setting(key, value string) string { return config.Variable(key) + "=" + value }

// program returns a part that runs one of our programs with settings of its own. It has started once ready answers.
func (c *cluster) program(name, binary, ready string, settings ...string) *harness.Part {
	return harness.NewPart(name, c.faults, func(ctx context.Context) (harness.Process, error) {
		return c.run(ctx, name, binary, []string{"-config", c.configFile}, settings, ready)
	})
}

func (c *cluster) run(
	ctx context.Context, name, binary string, args, env []string, ready ...string,
) (harness.Process, error) {
	p, err := stack.StartBinary(ctx, name, filepath.Join(c.bin, binary), args, env, c.log(name))
	if err != nil {
		return nil, err
	}
	return p, p.AwaitHTTP(ctx, time.Minute, ready...)
}

func (c *cluster) log(name string) string { return filepath.Join(c.dir, name+".log") }

func (c *cluster) checker() verify.Checker {
	return verify.NewChecker(c.db, c.client, c.event, c.conference, c.cfg.Janus)
}

// stop ends every process and removes the folder, unless it is to be kept.
func (c *cluster) stop(keep bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.client != nil {
		c.client.Close()
	}
	if c.db != nil {
		c.db.Close()
	}
	servers := []*harness.Part{c.sandbox, c.broker, c.janus, c.temporal, c.postgres}
	for _, p := range slices.Concat(c.apis[:], c.workers[:], servers) {
		if p != nil {
			p.Stop(ctx)
		}
	}
	if keep {
		fmt.Printf("the logs are in %s\n", c.dir)
		return
	}
	if err := stack.RemovePostgres(filepath.Join(c.dir, "postgres")); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(c.dir)
}
