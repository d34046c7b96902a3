package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"minigroups/minigroup"
)

// BenchmarkRead measures a read without network and database: token, authorization, encoding, ETag and a log line.
func BenchmarkRead(b *testing.B) {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(io.Discard), zap.InfoLevel))
	w := newWorld(b, func(d *Deps) { d.Log = log })
	start := time.Now().Unix()
	m := minigroup.Minigroup{
		Draft: minigroup.Draft{
			Audience: "example.org", Scope: "math-7b", Host: "teacher.example.org", Time: minigroup.Window{Start: &start},
			Tags: []byte(`{"lesson": 7}`), Properties: []byte(`{}`), Reserve: new(int32(8)), LockedChat: true,
		},
		State: minigroup.Ready, CreatedAt: time.Now(), EventRoomID: uuid.New(), ConferenceRoomID: uuid.New(),
	}
	m.ID = minigroup.NewClassID(m.Audience, m.Scope)
	w.put(m)
	req := httptest.NewRequest(http.MethodGet, "/api/v1/minigroups/"+m.ID.String(), nil)
	req.Header.Set("Authorization", "Bearer "+w.token)
	handler := w.server.Config.Handler
	b.ReportAllocs()
	for b.Loop() {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Body)
		}
	}
}
