package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"go.temporal.io/sdk/contrib/envconfig"

	"minigroups/config"
)

// The variables that name the file with Temporal's client profiles, and one of its profiles.
const (
	profileFile = "TEMPORAL_CONFIG_FILE"
	profileName = "TEMPORAL_PROFILE"
)

// Load returns the settings as config.Load does. If they do not set the address or the namespace of Temporal, it takes
// them from the client profile of the environment, if there is one.
func Load(path string, environ []string, required ...string) (config.Config, error) {
	cfg, err := config.Load(path, environ, required...)
	if err != nil {
		return cfg, err
	}
	profile, err := loadProfile(environ)
	if err != nil {
		return cfg, err
	}
	if !cfg.IsSet("temporal.address") {
		cfg.Temporal.Address = cmp.Or(profile.Address, cfg.Temporal.Address)
	}
	if !cfg.IsSet("temporal.namespace") {
		cfg.Temporal.Namespace = cmp.Or(profile.Namespace, cfg.Temporal.Namespace)
	}
	return cfg, cfg.Check(required...)
}

// loadProfile returns the client profile that the environment configures as for Temporal's own tools: the TOML file of
// TEMPORAL_CONFIG_FILE, overridden by the other TEMPORAL_* variables. An empty variable counts as unset. It reads no
// file of the home directory, because a service must not depend on who starts it. Errors show no secrets.
func loadProfile(environ []string) (envconfig.ClientConfigProfile, error) {
	env := variables(slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasSuffix(v, "=") }))
	file, hasFile := env.LookupEnv(profileFile)
	if _, ok := env.LookupEnv(profileName); ok && !hasFile {
		return envconfig.ClientConfigProfile{}, fmt.Errorf("%s needs %s", profileName, profileFile)
	}
	// The package ignores a missing file and values that are not booleans.
	if hasFile {
		if _, err := os.Stat(file); err != nil {
			return envconfig.ClientConfigProfile{}, fmt.Errorf("%s: %w", profileFile, err)
		}
	}
	for _, name := range []string{"TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"} {
		value, ok := env.LookupEnv(name)
		if ok && !slices.Contains([]string{"true", "false", "1", "0"}, strings.ToLower(value)) {
			return envconfig.ClientConfigProfile{}, fmt.Errorf("%s is %s, expected true or false", name, strconv.Quote(value))
		}
	}
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		ConfigFileStrict: true, DisableFile: !hasFile, EnvLookup: env,
	})
	var syntax toml.ParseError
	if errors.As(err, &syntax) { // its message may quote the file, which may hold a key
		err = fmt.Errorf("invalid TOML in line %d", syntax.Position.Line)
	}
	if err != nil {
		return profile, fmt.Errorf("read the client profile of Temporal from %s and TEMPORAL_*: %w", profileFile, err)
	}
	return profile, nil
}

// variables are environment variables in the form of os.Environ.
type variables []string

// Environ returns all variables.
func (v variables) Environ() []string { return v }

// LookupEnv returns the value of a variable and whether it is set.
func (v variables) LookupEnv(name string) (string, bool) {
	for _, variable := range slices.Backward(v) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
