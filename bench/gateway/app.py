"""An app with nothing but a channel."""

from tidegate import App

app = App("bench")
app.channel("bench")
