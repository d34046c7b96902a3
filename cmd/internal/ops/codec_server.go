package ops

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/converter"

	"minigroups/cmd/internal/process"
)

// maxPayloads is the maximum size of a request with payloads. Temporal's own limit for an answer is 4 MiB.
const maxPayloads = 16 << 20

func (a *app) codecServer() *cobra.Command {
	server := process.Server{
		Address: "127.0.0.1:8234", IdleTimeout: time.Minute, DrainTimeout: 5 * time.Second,
	}
	origins := []string{"http://127.0.0.1:8233"}
	cmd := &cobra.Command{
		Use: "codec-server", Args: cobra.NoArgs,
		Short: "Decrypt what Temporal's UI and CLI show, until Ctrl-C",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := process.Load(a.configFile, a.environ)
			if err != nil {
				return err
			}
			if len(cfg.Temporal.EncryptionKeyFiles) == 0 {
				return &commandError{errors.New("temporal.encryption_key_files is empty: there is no key to decrypt with")}
			}
			codec, err := process.NewCodec(cfg.Temporal)
			if err != nil {
				return &commandError{err}
			}
			server.Handler = decodeFor(origins, converter.NewPayloadCodecHTTPHandler(codec))
			a.notef("decrypts at http://%s for pages of %s", server.Address, strings.Join(origins, ", "))
			if err := server.Serve(cmd.Context()); err != nil {
				return &commandError{err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&server.Address, "listen", server.Address,
		"listen address; every client that reaches it can decrypt")
	cmd.Flags().StringSliceVar(&origins, "origin", origins, "origins of Temporal's UI, scheme://host:port")
	return cmd
}

// decodeFor serves the origins of Temporal's UI, and clients that are no browsers. Browsers send the origin of the page
// with each request, so that pages of others get nothing.
func decodeFor(origins []string, decoder http.Handler) http.Handler {
	decoder = http.MaxBytesHandler(decoder, maxPayloads)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" {
			decoder.ServeHTTP(w, r)
			return
		}
		if !slices.Contains(origins, origin) {
			http.Error(w, "pages of this origin may not decrypt: see --origin", http.StatusForbidden)
			return
		}
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true") // a proxy in front may need its cookie
		header.Set("Vary", "Origin")
		if r.Method != http.MethodOptions {
			decoder.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Methods", http.MethodPost)
		header.Set("Access-Control-Allow-Headers", "Authorization, Authorization-Extras, Content-Type, X-Namespace")
		header.Set("Access-Control-Allow-Private-Network", "true") // from a UI elsewhere to this machine
		w.WriteHeader(http.StatusNoContent)
	})
}
