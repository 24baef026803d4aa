"""The app that control is started for."""

from tidegate import App, JobContext

app = App("test")
work = app.queue("work", worker=False)


@work.job
async def speak(job: JobContext, words: list[str]) -> None:
    for word in words:
        await job.publish(word)
