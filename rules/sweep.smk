"""A sweep study's scores become the settings that another study reads.

Takes: results/{study}/scores.parquet of a sweep study.
Gives: results/{study}/selected.yaml; copied to config/tuned/ and committed, other
studies read it. No study makes it by itself.
"""


rule select:
    """Choose each method's settings by the criterion that the file states."""
    input:
        scores=f"results/{STUDY.name}/scores.parquet",
    output:
        selected=f"results/{STUDY.name}/selected.yaml",
    log:
        f"logs/{STUDY.name}/select.log",
    benchmark:
        f"logs/timing/{STUDY.name}/select.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        trials=json.dumps(trainings.trials(STUDY)),
        code=code_hash("safegrid.score.select"),
    shell:
        r"""
        exec > >(tee {log:q}) 2>&1
        python -m safegrid select \
            --scores {input.scores:q} \
            --trials {params.trials:q} \
            --out {output.selected:q}
        """
